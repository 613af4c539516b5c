"""The two kinds of ClickHouse behind one protocol: embedded in this process, and a server.

backend         the protocol, and what rows of the log are in both
embedded        chDB in a directory
write_watch     whether what it wrote reached the disk
own_writes      what a process knows of a store that it alone writes
server          ClickHouse over HTTP
server_address  where a server is, and how long one waits for it
guarded_insert  how an insert is called off
clickhouse      the driver, which nothing else imports
"""
