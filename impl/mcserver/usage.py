"""What ``mcserver --help`` prints."""

HELP = """\
usage: mcserver [options]
-p, --port=<num>           TCP port to listen on (default: 11211, 0: off, -1: any free port)
-U, --udp-port=<num>       UDP port (default: 0, off; -1: any free port); without -p also the TCP port
-s, --unix-socket=<file>   Unix socket to listen on (switches TCP and UDP off)
-a, --unix-mask=<mask>     mode of the Unix socket's file, octal (default: 700)
-l, --listen=<addr>        address to listen on, <host>[:<port>], several separated by commas (default: all);
                           with -Z also after notls: (plain), btls: or mtls: (certificates of clients never, always)
-m, --memory-limit=<num>   item memory in megabytes (default: 64)
-M, --disable-evictions    answer an error when memory is full instead of evicting
-c, --conn-limit=<num>     max simultaneous connections (default: 1024)
-t, --threads=<num>        threads that serve connections (default: 1, max: 64)
-I, --max-item-size=<num>  largest item, in bytes or with k or m (default: 1m, min: 1k, max: 1024m)
-F, --disable-flush-all    disable the flush_all command
-A, --enable-shutdown      enable the shutdown command
-X, --disable-dumping      refuse stats cachedump, stats detail and the dumps of lru_crawler
-W, --disable-watch        refuse watch
-C, --disable-cas          no cas uniques: items show 0, and cas always answers EXISTS
-D, --prefix-delimiter=<char>  delimiter of key prefixes for stats detail (default: ':'), which it switches on
-f, --slab-growth-factor=<num>  ratio of chunk sizes, by which memory is accounted (default: 1.25)
-n, --slab-min-size=<num>  bytes for key, value and flags in the smallest chunk (default: 48)
-R, --max-reqs-per-event=<num>  commands of one client between two turns of the others (default: 256)
-b, --listen-backlog=<num> connections that wait to be accepted (default: 1024)
-B, --protocol=<name>      auto (default; also negotiating): text or binary by a connection's first byte; ascii, binary;
                           packet: length, code and data, a protocol of this server's own
-S, --enable-sasl          clients must authenticate (binary protocol only); MEMCACHED_SASL_PWDB names the users' file
-Y, --auth-file=<file>     clients must authenticate (text protocol only); lines of the file: user:password
-Z, --enable-ssl           speak TLS on TCP; needs -o ssl_chain_cert
-o, --extended=<list>      separated by commas:
                           slab_chunk_max=<kilobytes>  largest chunk (default: 512)
                           idle_timeout=<seconds>      disconnect silent clients (default: 0, never)
                           temporary_ttl=<seconds>     never evict items with so short a life (default: off)
                           hot_lru_pct, warm_lru_pct=<percent>  share of new and of used items (default: 20, 40)
                           hot_max_factor, warm_max_factor=<factor>
                                                their age, by that of the oldest others (default: 0.2, 2)
                           [no_]lru_maintainer  divide items by their use; without, one list (default: with)
                           [no_]lru_crawler     carry out lru_crawler commands (default: yes)
                           [no_]maxconns_fast  answer clients beyond -c and close; without, they wait (default: with)
                           modern, no_modern    no_modern: chunks of 1m, one list of items, lru_crawler disabled
                           ssl_chain_cert=<file>    certificate and those that vouch for it, PEM
                           ssl_key=<file>           private key, if not in the former
                           ssl_keyformat=<num>      of the key: 1 PEM (default), 2 DER
                           ssl_verify_mode=<num>    client certificates: 0 none (default), 1 if given, 2 or 3 demanded
                           ssl_ca_cert=<file>       those that client certificates come from, PEM
                           ssl_ciphers=<list>       as OpenSSL writes them, for TLS up to 1.2
                           ssl_min_version=<num>    0 TLS 1.0, 1 TLS 1.1, 2 TLS 1.2 (default), 3 TLS 1.3
                           ssl_wbuf_size=<kilobytes>  unsent replies of a client that is still served (default: 16)
                           ssl_session_cache        let clients resume sessions
                           debugtime            let the debugtime command move the clock: for tests
                           trace_dispatch=<file>    record the hand-over of connections, JSON lines: for tests
-d, --daemon               run in the background, detached from the terminal
-P, --pidfile=<file>       write the process id to a file, which is removed at the end
-v, --verbose              report listeners and trouble on stderr; -vv: also every command line
-V, --version              print the version and exit
-h, --help                 print this help and exit
"""
