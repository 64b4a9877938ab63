"""What is made for a release: the bill of materials of the package.

Here lives what says of the package what is in it, out of the build itself. Building is CMake's and
pip's; nothing here is installed.
"""
