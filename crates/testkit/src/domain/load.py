"""Adds the LDIF of standard input to a domain that does not run: load.py FOLDER_OF_THE_DOMAIN.

In batch mode, without which each added object costs as much as there are objects already.
"""
import sys

from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

folder = sys.argv[1]
settings = LoadParm()
settings.load(folder + "/etc/smb.conf")
database = SamDB(folder + "/private/sam.ldb", session_info=system_session(), lp=settings, options=["batch_mode:1"])
database.transaction_start()
database.add_ldif(sys.stdin.buffer.read().decode())
database.transaction_commit()
