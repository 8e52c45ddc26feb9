"""How the process of a command ends: on a signal, and when its work is done."""
