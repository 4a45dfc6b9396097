# SPDX-License-Identifier: MIT
"""What run.py and compare.py are made of."""
