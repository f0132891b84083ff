"""Who may sign in, as what, and with which rights; sessions, and the phone secret that lives as long as one."""
