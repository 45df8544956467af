"""A clock before the certificate's life (D2), end to end: records, says why, connects in time."""

import pytest

from sim.authority import Authority
from sim.brokers import ShippedMosquitto
from sim.demo import premises
from sim.lone_unit import LoneUnit

DAY_S = 86_400
# Long enough for the daemon to start and for one case.
BEGINS_S = 5


@pytest.mark.needs("mosquitto")
@pytest.mark.promise
def test_unit_before_its_certificates_life_records_says_why_and_connects_in_time(tmp_path, promise):
    units = Authority(tmp_path, "units")
    platform = Authority(tmp_path, "platform", days=(BEGINS_S / DAY_S, 1))
    unit = units.issue(str(premises.SOURCE)[1:])
    tls = "\n".join(
        f'{name} = "{path}"'
        for name, path in (
            ("tls_ca", platform.certificate),
            ("tls_certificate", unit.certificate),
            ("tls_key", unit.key),
        )
    )
    with (
        ShippedMosquitto(tmp_path / "broker", units, platform) as broker,
        LoneUnit(
            tmp_path / "unit", broker.port, ("redial_s = 4.0", f"redial_s = 1.0\n{tls}")
        ) as running,
    ):
        running.until(lambda status: status["windows"][0]["pad"]["state"] == "up")
        running.clerk.call()
        running.clerk.complete()
        running.until(lambda status: status["windows"][0]["screen"]["name"] == "please_rate")
        running.pad.press(1)
        offline = running.until(lambda status: status["day"]["rated"] == 1)
        assert offline["uplink"]["state"] == "down"
        trouble = running.until(lambda status: status["uplink"]["trouble"])["uplink"]["trouble"]
        assert "certificate is not yet valid; this unit's clock says 20" in trouble
        online = running.until(lambda status: status["uplink"]["state"] == "up")
    assert online["day"]["rated"] == 1
    said = running.log.read_text()
    assert "uplink state=down trouble=" in said
    assert "this unit's clock says" in said
    promise("D2", "unit before the certificate's life: records, says, connects", 1)
