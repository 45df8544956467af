#!/bin/sh
# Started by systemd.run= in cmdline.txt, in a boot that does nothing else (Raspberry Pi OS 12).
# Cut off by power, it is started again; whatever fails, the next boot is a usual one.
ROOT=${ROOT:-}
BOOT=$ROOT/boot/firmware

sh "$BOOT/haochaping-card/first-boot.sh" install
sed 's| systemd\.[^ ]*||g' "$BOOT/cmdline.txt" >"$BOOT/cmdline.new" &&
    sync "$BOOT/cmdline.new" && mv "$BOOT/cmdline.new" "$BOOT/cmdline.txt"
sync
exit 0
