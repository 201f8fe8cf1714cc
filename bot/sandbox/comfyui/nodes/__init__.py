"""What each node class does when it runs. One function per class, gathered in `registry`."""
