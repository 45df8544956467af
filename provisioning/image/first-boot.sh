#!/bin/sh
# The first boots of a unit: from a fresh card to a request that the office can answer.
#
#   first-boot.sh install   make it a service of this system; early, each boot may do it again
#   first-boot.sh run       the service: do what is not done yet
#
# Power may fail anywhere: each step looks first whether it is needed, a file comes into its place by
# a rename, and the service ends itself only after the last step. What happens is told in words in
# haochaping-log.txt on the boot partition, which any computer with a card reader can open.
# ROOT is another root directory, to try it in a folder.
set -u

ROOT=${ROOT:-}
BOOT=$ROOT/boot/firmware
HERE=$BOOT/haochaping-card
LOG=$BOOT/haochaping-log.txt
LOG_LEN_MAX=65536
SERVICE=/etc/systemd/system/haochaping-first-boot.service
WANTED=/etc/systemd/system/multi-user.target.wants/haochaping-first-boot.service
# Which card was begun, which is done.
BEGUN=/var/lib/haochaping-first-boot.begun
DONE=/var/lib/haochaping-first-boot.done
# What the unit needs of Debian: its environment, its keys, the letters on its display.
PACKAGES="python3-venv openssl fonts-unifont xfonts-wqy"

# shellcheck source=/dev/null  # written by provision image
. "$HERE/unit.conf"
# Where `provision unit invite, request, issue, install` look on a stick; this card is one.
PAPERS=$BOOT/haochaping/$UNIT

say() {
    printf '%s %s\n' "$(date '+%Y-%m-%d %H:%M:%S')" "$*" | tee -a "$LOG"
}

# put PATH MODE: the file becomes its input, in one step; nothing is touched that is so already.
put() {
    mkdir -p "$(dirname "$ROOT$1")" && cat >"$ROOT$1.new" || return 1
    if cmp -s "$ROOT$1.new" "$ROOT$1"; then
        rm "$ROOT$1.new"
        return
    fi
    chmod "$2" "$ROOT$1.new" && sync "$ROOT$1.new" && mv "$ROOT$1.new" "$ROOT$1"
}

is_this_card() {
    [ "$(cat "$ROOT$1" 2>/dev/null)" = "$CARD" ]
}

# A system that was a unit before these files came has a journal and keys that are not this unit's.
is_fresh() {
    is_this_card "$BEGUN" && return
    if is_enrolled; then
        say "this system was a unit already and stays what it was: write it anew for $UNIT"
        return 1
    fi
    printf '%s\n' "$CARD" | put "$BEGUN" 644
}

is_enrolled() {
    [ -s "$ROOT/var/lib/haochaping/enrolled.json" ]
}

# -- who it is, and who may come in

name_it() {
    printf '%s\n' "$HOST" | put /etc/hostname 644
    {
        grep -v '^127\.0\.1\.1[[:space:]]' "$ROOT/etc/hosts"
        printf '127.0.1.1\t%s\n' "$HOST"
    } 2>/dev/null | put /etc/hosts 644
}

let_in() {
    if ! id "$LOGIN" >/dev/null 2>&1; then
        # Raspberry Pi OS has a first user, who waits for a name; "!" is no password.
        if [ -x "$ROOT/usr/lib/userconf-pi/userconf" ]; then
            "$ROOT/usr/lib/userconf-pi/userconf" "$LOGIN" '!'
        else
            useradd --create-home --shell /bin/bash "$LOGIN"
        fi || say "the login $LOGIN could not be made"
    fi
    # Its question on the screen would give whoever brings a keyboard a login.
    rm -f "$ROOT/etc/ssh/sshd_config.d/rename_user.conf"
    [ ! -e "$ROOT/usr/lib/systemd/system/userconfig.service" ] ||
        systemctl --quiet disable userconfig.service
    printf '%s ALL=(ALL) NOPASSWD: ALL\n' "$LOGIN" | put /etc/sudoers.d/010_haochaping 440
    printf 'PasswordAuthentication no\nKbdInteractiveAuthentication no\n' |
        put /etc/ssh/sshd_config.d/10-haochaping.conf 644
    systemctl --quiet enable ssh
    home=$(getent passwd "$LOGIN" | cut -d: -f6)
    [ -n "$home" ] || return
    keys=$ROOT$home/.ssh/authorized_keys
    # Keys that came later stay.
    {
        cat "$keys" 2>/dev/null
        while IFS= read -r key; do
            grep -qxF -e "$key" "$keys" 2>/dev/null || printf '%s\n' "$key"
        done <"$HERE/authorized_keys"
    } | put "$home/.ssh/authorized_keys" 600
    chmod 700 "$ROOT$home/.ssh" && chown -R "$LOGIN:" "$ROOT$home/.ssh"
}

# -- its clock and its network

set_clock() {
    if [ -e "$ROOT/usr/share/zoneinfo/$TIMEZONE" ]; then
        ln -sfn "/usr/share/zoneinfo/$TIMEZONE" "$ROOT/etc/localtime"
        printf '%s\n' "$TIMEZONE" | put /etc/timezone 644
    fi
    [ -z "$TIME_SERVERS" ] ||
        printf '[Time]\nNTP=%s\n' "$TIME_SERVERS" | put /etc/systemd/timesyncd.conf.d/haochaping.conf 644
}

# cloud-init has network-config for it; where there is none, there is NetworkManager.
set_address() {
    [ "$WAY" = firstrun ] && [ -n "$ADDRESS" ] || return 0
    {
        printf '[connection]\nid=haochaping\ntype=ethernet\ninterface-name=eth0\n'
        printf '[ipv4]\nmethod=manual\naddress1=%s%s\n' "$ADDRESS" "${GATEWAY:+,$GATEWAY}"
        [ -z "$NAME_SERVERS" ] || printf 'dns=%s;\n' "$(printf '%s' "$NAME_SERVERS" | tr ' ' ';')"
        printf '[ipv6]\nmethod=auto\n'
    } | put /etc/NetworkManager/system-connections/haochaping.nmconnection 600
}

# -- its programs and its keys

is_installed() {
    dpkg-query --show --showformat '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

missing_packages() {
    for package in $PACKAGES; do
        is_installed "$package" || printf ' %s' "$package"
    done
}

add_packages() {
    [ -n "$(missing_packages)" ] || return 0
    export DEBIAN_FRONTEND=noninteractive
    set --
    for file in "$HERE"/wheels/*.deb; do
        [ ! -e "$file" ] || is_installed "$(basename "$file" | cut -d_ -f1)" || set -- "$@" "$file"
    done
    # All at once: they may need each other.
    if [ $# -gt 0 ] && dpkg --install "$@" >/dev/null 2>&1; then
        say "installed from the card: $(basename -a "$@" | tr '\n' ' ')"
    fi
    missing=$(missing_packages)
    [ -n "$missing" ] || return 0
    # The clock may still be that of the factory, and a list of packages be made in its future.
    apt='apt-get -q -y -o Acquire::Check-Date=false -o Acquire::http::Timeout=10'
    # shellcheck disable=SC2086  # several words
    if $apt update >/dev/null 2>&1 && $apt install --no-install-recommends $missing >/dev/null 2>&1
    then
        say "installed:$missing"
    else
        say "not reachable: Debian's packages; without$missing it goes on if it can"
    fi
}

add_programs() {
    set -- "$HERE"/wheels/*.whl
    # Alone, it fetches the others from an index.
    if [ $# -gt 1 ]; then
        set -- --wheels "$HERE/wheels"
    else
        set --
    fi
    if said=$(PYTHONPATH=$HERE/wheels/$WHEEL python3 -m daemon.systemd install "$@" 2>&1); then
        [ "$said" = "nothing to do" ] || say "installed: $WHEEL"
    else
        say "the programs could not be installed: $said"
        return 1
    fi
}

ask_for_enrolment() {
    [ ! -s "$PAPERS/request.json" ] || return 0
    if said=$(provision unit request "$BOOT" --unit "$UNIT" 2>&1); then
        say "made its keys and its request: haochaping/$UNIT/request.json on this card"
        say "next, at the office: provision unit enrol $UNIT"
    else
        say "no request was made: $said"
        return 1
    fi
}

take_grant() {
    [ -s "$PAPERS/grant.json" ] && ! is_enrolled || return 0
    if said=$(provision unit install "$BOOT" --unit "$UNIT" 2>&1); then
        say "installed its grant: $UNIT is enrolled"
    else
        say "the grant on this card was not installed: $said"
        return 1
    fi
}

# -- the two ways to call it

install() {
    ! is_this_card "$DONE" && is_fresh || return 0
    put "$SERVICE" 644 <"$HERE/haochaping-first-boot.service" &&
        mkdir -p "$ROOT$(dirname "$WANTED")" && ln -sfn "$SERVICE" "$ROOT$WANTED" || return 1
    if [ "$WAY" = firstrun ]; then
        # This boot has no network: the next one begins with all of it.
        name_it && set_clock && set_address
        let_in
    else
        systemctl daemon-reload && systemctl --no-block start haochaping-first-boot.service
    fi
    sync
}

run() {
    ! is_this_card "$DONE" && is_fresh || return 0
    if [ -e "$LOG" ] && [ "$(wc -c <"$LOG")" -gt "$LOG_LEN_MAX" ]; then
        mv "$LOG" "$LOG.old"
    fi
    say "begins: $UNIT, named $HOST"
    name_it
    set_clock
    let_in
    add_packages
    if ! is_enrolled; then
        add_programs && ask_for_enrolment && take_grant || return 1
    fi
    if ! is_enrolled; then
        sync
        say "waits to be enrolled"
        return 0
    fi
    # The token is spent, and these papers are of no use any more.
    rm -rf "$PAPERS"
    say "done: $UNIT is enrolled"
    printf '%s\n' "$CARD" | put "$DONE" 644 && rm -f "$ROOT$WANTED"
    sync
}

case ${1:-} in
install) install ;;
run) run ;;
*)
    echo "usage: first-boot.sh install | run" >&2
    exit 2
    ;;
esac
