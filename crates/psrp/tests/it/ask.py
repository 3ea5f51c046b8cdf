"""Asks a server on loopback as an independent client does, and prints what it heard as JSON.

    python ask.py PORT
"""
import json
import sys

from pypsrp.complex_objects import PSInvocationState
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan


def run(pool, cmdlet, **parameters):
    shell = PowerShell(pool)
    shell.add_cmdlet(cmdlet)
    for name, value in parameters.items():
        shell.add_parameter(name, value)
    try:
        output = shell.invoke()
        failure = None
    except Exception as error:
        output, failure = shell.output, str(error)
    plain = [o if isinstance(o, (str, int)) or o is None else
             {"toString": str(o), "types": o.types, **o.adapted_properties, **o.extended_properties} for o in output]
    return {
        "output": plain,
        "failure": failure,
        "state": shell.state,
        "errors": [str(e) for e in shell.streams.error],
        "errorIds": [e.fq_error for e in shell.streams.error],
        "warnings": [str(w.message) for w in shell.streams.warning],
    }


def main():
    connection = WSMan("127.0.0.1", port=int(sys.argv[1]), ssl=False, auth="basic", username="user", password="password",
                       encryption="never", path="PowerShell", max_envelope_size=20_000, no_proxy=True)
    heard = {}
    with RunspacePool(connection, configuration_name="Microsoft.Exchange") as pool:
        heard["list"] = run(pool, "Get-MobileDevice", ResultSize="Unlimited", Confirm=False, Number=5,
                            Nothing=None, List=["a", "b"], Table={"Add": ["x"], "Remove": "y"})
        heard["long"] = run(pool, "Set-CASMailbox", ActiveSyncBlockedDeviceIDs=["ID%040d" % n for n in range(2000)])
        heard["failed"] = run(pool, "Get-Nothing")
        endless = PowerShell(pool)
        endless.add_cmdlet("Wait-Forever")
        endless.begin_invoke()
        endless.stop()
        heard["stopped"] = endless.state == PSInvocationState.STOPPED
    json.dump(heard, sys.stdout, default=str)


main()
