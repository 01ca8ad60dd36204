"""What goes into the image besides the Bento: scripts that need no installed library."""
