"""Reads a simulated organisation with pypsrp, a client that shares no code with exconn, and prints what it saw.

    python pypsrp_reads.py PORT USER PASSWORD
"""
import json
import sys

from pypsrp.powershell import PowerShell, PSInvocationState, RunspacePool
from pypsrp.wsman import WSMan


def connect(port, user, password):
    return WSMan("127.0.0.1", port=port, path="PowerShell/", ssl=False, auth="basic", encryption="never", username=user,
                 password=password, operation_timeout=20)


def invoke(pool, cmdlet, **parameters):
    shell = PowerShell(pool)
    shell.add_cmdlet(cmdlet)
    for name, value in parameters.items():
        shell.add_parameter(name, value)
    rows = shell.invoke()
    return {
        "rows": [{name: None if value is None else str(value) for name, value in row.adapted_properties.items()}
                 for row in rows],
        "errors": [str(error) for error in shell.streams.error],
        "warnings": [str(warning) for warning in shell.streams.warning],
    }


def main(port, user, password):
    seen = {}
    with connect(port, user, password) as wsman, RunspacePool(wsman, configuration_name="Microsoft.Exchange") as pool:
        seen["organization"] = invoke(pool, "Get-OrganizationConfig")
        seen["servers"] = invoke(pool, "Get-ExchangeServer")
        seen["all"] = invoke(pool, "Get-MobileDevice", ResultSize="Unlimited")
        seen["default"] = len(invoke(pool, "Get-MobileDevice")["rows"])
        seen["warnings"] = invoke(pool, "Get-MobileDevice", ResultSize=10)["warnings"]
        seen["phones"] = len(invoke(pool, "Get-MobileDevice", ResultSize="Unlimited",
                                    Filter="DeviceType -eq 'iPhone'")["rows"])
        owner = seen["all"]["rows"][7]["UserDisplayName"]
        device = seen["all"]["rows"][7]["DeviceId"]
        seen["forest"] = invoke(pool, "Set-ADServerSettings", ViewEntireForest=True)["errors"]
        # pypsrp leaves objects that hold dictionaries of other types than hashtables as they came.
        command = PowerShell(pool)
        seen["commands"] = len(command.add_cmdlet("Get-Command").invoke())
        command = PowerShell(pool)
        seen["command"] = [str(row) for row in command.add_cmdlet("Get-Command").add_parameter(
            "Name", "get-mobiledevice").invoke()]
        seen["no command"] = invoke(pool, "Get-Command", Name="Format-Disk")["errors"]
        seen["nobody"] = invoke(pool, "Get-MobileDeviceStatistics", Mailbox="Nobody 4")["errors"]
        seen["access"] = []
        for lists in ({"Allowed": {"Remove": device}, "Blocked": {"Add": device}}, {"Allowed": [device]},
                      {"Blocked": {"Add": [device]}}, {"Allowed": {"Remove": device}, "Blocked": {"Remove": device}}):
            seen["access"] += invoke(pool, "Set-CASMailbox", Identity=owner, Confirm=False,
                                     **{f"ActiveSync{name}DeviceIDs": change for name, change in lists.items()})["errors"]
            seen["access"] += [[row["DeviceAccessState"], row["DeviceAccessStateReason"], row["LastSuccessSync"] is not None]
                               for row in invoke(pool, "Get-MobileDeviceStatistics", Mailbox=owner)["rows"]
                               if row["DeviceID"] == device]
        seen["unknown"] = invoke(pool, "Format-Disk")["errors"]
        seen["parameter"] = invoke(pool, "Get-MobileDevice", Colour="red")["errors"]
        script = PowerShell(pool)
        script.add_script("1+1")
        script.invoke()
        seen["script"] = [str(error) for error in script.streams.error]
        stopped = PowerShell(pool)
        stopped.add_cmdlet("Get-MobileDevice").add_parameter("ResultSize", "Unlimited")
        stopped.begin_invoke()
        stopped.poll_invoke()
        stopped.stop()
        seen["stopped"] = stopped.state == PSInvocationState.STOPPED
    try:
        with connect(port, user, "wrong") as wsman, RunspacePool(wsman, configuration_name="Microsoft.Exchange"):
            seen["refused"] = False
    except Exception as error:
        seen["refused"] = type(error).__name__
    print(json.dumps(seen))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
