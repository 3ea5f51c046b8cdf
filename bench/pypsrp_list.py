"""Lists the devices of an Exchange peer with pypsrp and prints what that cost: `python pypsrp_list.py URL`."""
import json
import sys
import time
from urllib.parse import urlparse

from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan

url = urlparse(sys.argv[1])
with WSMan(url.hostname, port=url.port, path=url.path.strip("/") + "/", ssl=False, auth="basic", encryption="never",
           username="svc", password="pw", max_envelope_size=512000) as wsman, \
        RunspacePool(wsman, configuration_name="Microsoft.Exchange") as pool:
    began, cpu = time.monotonic(), time.process_time()
    shell = PowerShell(pool)
    shell.add_cmdlet("Get-MobileDevice").add_parameter("ResultSize", "Unlimited")
    rows = shell.invoke()
    print(json.dumps({"devices": len(rows), "seconds": time.monotonic() - began,
                      "cpuSeconds": time.process_time() - cpu}))
