"""Which files can do harm when they are opened: programs, scripts, and what starts them (CON-7). By name and by first octets.

The list of endings is what mail programs of today refuse to open by themselves, and what Windows runs on a double click.
"""

from __future__ import annotations

from typing import Literal

Risk = Literal["", "program", "script", "macros"]

_PROGRAMS = (
    " exe scr com pif cpl dll ocx msi msp mst msix appx appxbundle dmg pkg deb rpm jar sys drv efi xll gadget appref-ms "
)
_SCRIPTS = (
    " bat cmd js jse vbs vbe wsf wsh wsc ws hta ps1 ps1xml ps2 psc1 psc2 psm1 msh msh1 msh2 mshxml scf lnk inf reg url website"
    " sct shb shs chm hlp desktop command sh bash csh ksh pl py pyc pyw rb php iqy slk settingcontent-ms library-ms"
    " search-ms one onepkg job msc diagcab jnlp vb vsmacros xbap mht mhtml iso img vhd vhdx "
)
_MACRO_DOCUMENTS = " docm dotm xlsm xltm xlam xlsb pptm potm ppsm ppam sldm "
_PROGRAM_TYPES = frozenset(
    (
        "application/x-dosexec",
        "application/x-executable",
        "application/x-mach-binary",
        "application/java-archive",
        "application/x-msi",
    )
)
_NO_ENDING = ". \u202c\u200e\u200f"
_SCRIPT_TYPES = frozenset(("text/x-script", "application/x-ms-shortcut"))


def of(name: str, detected: str) -> Risk:
    """What a file of this name and detected type could do; "" for nothing by itself. Trailing dots and spaces, which Windows
    drops, hide no ending."""
    ending = f" {name.rstrip(_NO_ENDING).rpartition('.')[2].lower()} " if "." in name else "none"
    if detected in _PROGRAM_TYPES or ending in _PROGRAMS:
        return "program"
    if detected in _SCRIPT_TYPES or ending in _SCRIPTS:
        return "script"
    return "macros" if ending in _MACRO_DOCUMENTS else ""
