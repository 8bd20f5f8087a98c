# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_redis_ops_global_optspecs
    string join \n i/instance= H/host= p/port= u/uri= username= password-file= sentinel-username= sentinel-password-file= tls tls-ca= tls-cert= tls-key= sni= insecure timeout= r/repository= s3-endpoint= s3-region= s3-path-style= c/config= f/format= json progress= color= q/quiet v/verbose y/yes hide-keys n/db= h/help V/version
end

function __fish_redis_ops_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_redis_ops_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_redis_ops_using_subcommand
    set -l cmd (__fish_redis_ops_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c redis-ops -n "__fish_redis_ops_needs_command" -s i -l instance -d 'A name from the settings file, or a URL: redis:// rediss:// unix:// redis+sentinel://host,host/service [default: redis://127.0.0.1:6379] [env: REDIS_OPS_INSTANCE]' -r
complete -c redis-ops -n "__fish_redis_ops_needs_command" -s H -l host -d 'The instance\'s host, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_needs_command" -s p -l port -d 'The instance\'s port, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_needs_command" -s u -l uri -d 'The instance\'s URL, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_needs_command" -l username -d 'The ACL user [env: REDIS_OPS_USERNAME]' -r
complete -c redis-ops -n "__fish_redis_ops_needs_command" -l password-file -d 'A file that holds the password and nothing else. Or [env: REDIS_OPS_PASSWORD, REDISCLI_AUTH]; never an argument, which everybody sees in `ps`' -r -F
complete -c redis-ops -n "__fish_redis_ops_needs_command" -l sentinel-username -d 'ACL user for the Sentinels, if it is not the server\'s [env: REDIS_OPS_SENTINEL_USERNAME]' -r
complete -c redis-ops -n "__fish_redis_ops_needs_command" -l sentinel-password-file -d 'A file with the password for the Sentinels, if it is not the server\'s. Or [env: REDIS_OPS_SENTINEL_PASSWORD]' -r -F
complete -c redis-ops -n "__fish_redis_ops_needs_command" -l tls-ca -d 'PEM file of the authorities to trust in place of the system\'s, or of the server\'s own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_needs_command" -l tls-cert -d 'PEM file of our own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_needs_command" -l tls-key -d 'PEM file of the key of our own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_needs_command" -l sni -d 'The name that the server\'s certificate must hold, in place of the host' -r
complete -c redis-ops -n "__fish_redis_ops_needs_command" -l timeout -d 'How long connecting may take, and the server may be silent, such as 5s [default: 5s; 65s while it makes or sends its data set]. The server may report for 60 times as long that it makes its snapshot; SCAN may name no new key for 10 times as long, and no more than 4 times as many keys as DBSIZE says, and 100,000. Less than 1 KiB a second, from the server or a store, counts as silence. An S3 store may be silent for as long, too [default: 30s]. A store that fails is asked again for 10s (or one time-out, if that is longer) by list, show, --plan and before a transfer, and for 2s where nobody listens at its port, unless a backup begins; during a transfer, for as long as `backup --store-retry` says [5m]' -r
complete -c redis-ops -n "__fish_redis_ops_needs_command" -s r -l repository -d 'Where backups are: s3://bucket/prefix, file:///path or a path [env: REDIS_OPS_REPOSITORY]' -r
complete -c redis-ops -n "__fish_redis_ops_needs_command" -l s3-endpoint -d 'An S3-compatible store [env: AWS_ENDPOINT_URL_S3]' -r
complete -c redis-ops -n "__fish_redis_ops_needs_command" -l s3-region -d 'The region of S3 [env: AWS_REGION]' -r
complete -c redis-ops -n "__fish_redis_ops_needs_command" -l s3-path-style -d 'Puts the bucket into the path rather than the host name; the default with an endpoint of one\'s own' -r -f -a "true\t''
false\t''"
complete -c redis-ops -n "__fish_redis_ops_needs_command" -s c -l config -d 'The settings file; else ./redis-ops.yaml, $XDG_CONFIG_HOME/redis-ops/config.yaml, /etc/redis-ops/config.yaml [env: REDIS_OPS_CONFIG]' -r -F
complete -c redis-ops -n "__fish_redis_ops_needs_command" -s f -l format -d 'The form of the answer; a command refuses one that it has not [env: REDIS_OPS_FORMAT]' -r -f -a "table\t'for people'
json\t'one object'
ndjson\t'one object a line'
nagios\t'one line for Nagios and its kin'
prometheus\t'Prometheus\' text format'
junit\t'JUnit\'s XML'"
complete -c redis-ops -n "__fish_redis_ops_needs_command" -l progress -d 'How progress is shown, on stderr' -r -f -a "auto\t'a bar on a terminal, else a line every ten seconds'
bar\t'a bar'
plain\t'a line every ten seconds'
json\t'a JSON object a line, every second'
none\t'nothing'"
complete -c redis-ops -n "__fish_redis_ops_needs_command" -l color -d 'When colour is used [env: NO_COLOR, CLICOLOR_FORCE]' -r -f -a "auto\t'on a terminal'
always\t'even into a pipe'
never\t'not at all'"
complete -c redis-ops -n "__fish_redis_ops_needs_command" -s n -l db -d 'The database of the instance, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_needs_command" -l tls -d 'Speaks TLS, as `rediss://` does'
complete -c redis-ops -n "__fish_redis_ops_needs_command" -l insecure -d 'Takes any certificate: encrypted, but nobody knows to whom'
complete -c redis-ops -n "__fish_redis_ops_needs_command" -l json -d 'Short for --format json'
complete -c redis-ops -n "__fish_redis_ops_needs_command" -s q -l quiet -d 'Nothing on stderr but errors'
complete -c redis-ops -n "__fish_redis_ops_needs_command" -s v -l verbose -d 'Logs what is done, on stderr; -vv every step, -vvv every step of the libraries too'
complete -c redis-ops -n "__fish_redis_ops_needs_command" -s y -l yes -d 'Answers the one question that a destructive command asks'
complete -c redis-ops -n "__fish_redis_ops_needs_command" -l hide-keys -d 'Shows a hash in place of every key name'
complete -c redis-ops -n "__fish_redis_ops_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redis-ops -n "__fish_redis_ops_needs_command" -s V -l version -d 'Print version'
complete -c redis-ops -n "__fish_redis_ops_needs_command" -f -a "backup" -d 'Takes a backup of an instance'
complete -c redis-ops -n "__fish_redis_ops_needs_command" -f -a "restore" -d 'Puts a backup into an instance, a file or a folder'
complete -c redis-ops -n "__fish_redis_ops_needs_command" -f -a "verify" -d 'Proves a backup good, or an instance equal to a backup'
complete -c redis-ops -n "__fish_redis_ops_needs_command" -f -a "list" -d 'Lists the backups of a repository, newest first'
complete -c redis-ops -n "__fish_redis_ops_needs_command" -f -a "show" -d 'Shows everything known about one backup'
complete -c redis-ops -n "__fish_redis_ops_needs_command" -f -a "diagnose" -d 'Says what is wrong with a server, or with the data in a backup'
complete -c redis-ops -n "__fish_redis_ops_needs_command" -f -a "health" -d 'Says whether an instance is up, and why not'
complete -c redis-ops -n "__fish_redis_ops_needs_command" -f -a "metrics" -d 'Prints what is known about an instance for Prometheus'
complete -c redis-ops -n "__fish_redis_ops_needs_command" -f -a "explain" -d 'Says what a rule of diagnose means; needs no server'
complete -c redis-ops -n "__fish_redis_ops_needs_command" -f -a "completions" -d 'Prints the completions for a shell'
complete -c redis-ops -n "__fish_redis_ops_needs_command" -f -a "man" -d 'Prints the manual page, or writes one for each command into a folder'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l source -d 'How the data is read' -r -f -a "auto\t'replication, or scan where that is not allowed'
replication\t'a full resync: one moment of the data'
scan\t'key by key while others write: not one moment'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l read-from -d 'Which node is read' -r -f -a "auto\t'a replica that is fresh, else the primary'
replica\t'a replica, or nothing'
primary\t'the primary'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l transfer -d 'How the server makes the RDB' -r -f -a "auto\t'by what the server says of its settings'
disk\t'the server writes its dump file first'
diskless\t'the server streams at once'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l compression -d 'How the backup is compressed: gzip, zstd or none, and a level such as zstd:3 [default: gzip]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l name -d 'The name of the instance in the repository, in place of the one in the settings or of host-port' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l label -d 'A label that is kept in the manifest; may be given several times' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l rate -d 'Reads no more than this many bytes a second, such as 50MB' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l from-file -d 'Takes an RDB file that is there already into the repository: .rdb, .rdb.gz, .rdb.zst, or - for stdin' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l wait-lock -d 'How long to wait for another run on the same instance to end' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l store-retry -d 'How long to retry an S3 store that fails or is silent once the transfer has begun [default: 5m]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l spool -d 'Folder where data waits while the store is away or slow, so that the server need not wait, and where parts of a very large backup wait for their upload [default: the folder for temporary files]' -r -f -a "(__fish_complete_directories)"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l spool-limit -d 'How much compressed data may wait in the spool, such as 4GB; 0: none. When the spool is full, the server is read only as fast as its repl-timeout demands, and then not at all [default: 1GB]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -s n -l db -d 'The database of the instance, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -s i -l instance -d 'A name from the settings file, or a URL: redis:// rediss:// unix:// redis+sentinel://host,host/service [default: redis://127.0.0.1:6379] [env: REDIS_OPS_INSTANCE]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -s H -l host -d 'The instance\'s host, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -s p -l port -d 'The instance\'s port, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -s u -l uri -d 'The instance\'s URL, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l username -d 'The ACL user [env: REDIS_OPS_USERNAME]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l password-file -d 'A file that holds the password and nothing else. Or [env: REDIS_OPS_PASSWORD, REDISCLI_AUTH]; never an argument, which everybody sees in `ps`' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l sentinel-username -d 'ACL user for the Sentinels, if it is not the server\'s [env: REDIS_OPS_SENTINEL_USERNAME]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l sentinel-password-file -d 'A file with the password for the Sentinels, if it is not the server\'s. Or [env: REDIS_OPS_SENTINEL_PASSWORD]' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l tls-ca -d 'PEM file of the authorities to trust in place of the system\'s, or of the server\'s own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l tls-cert -d 'PEM file of our own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l tls-key -d 'PEM file of the key of our own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l sni -d 'The name that the server\'s certificate must hold, in place of the host' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l timeout -d 'How long connecting may take, and the server may be silent, such as 5s [default: 5s; 65s while it makes or sends its data set]. The server may report for 60 times as long that it makes its snapshot; SCAN may name no new key for 10 times as long, and no more than 4 times as many keys as DBSIZE says, and 100,000. Less than 1 KiB a second, from the server or a store, counts as silence. An S3 store may be silent for as long, too [default: 30s]. A store that fails is asked again for 10s (or one time-out, if that is longer) by list, show, --plan and before a transfer, and for 2s where nobody listens at its port, unless a backup begins; during a transfer, for as long as `backup --store-retry` says [5m]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -s r -l repository -d 'Where backups are: s3://bucket/prefix, file:///path or a path [env: REDIS_OPS_REPOSITORY]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l s3-endpoint -d 'An S3-compatible store [env: AWS_ENDPOINT_URL_S3]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l s3-region -d 'The region of S3 [env: AWS_REGION]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l s3-path-style -d 'Puts the bucket into the path rather than the host name; the default with an endpoint of one\'s own' -r -f -a "true\t''
false\t''"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -s c -l config -d 'The settings file; else ./redis-ops.yaml, $XDG_CONFIG_HOME/redis-ops/config.yaml, /etc/redis-ops/config.yaml [env: REDIS_OPS_CONFIG]' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -s f -l format -d 'The form of the answer; a command refuses one that it has not [env: REDIS_OPS_FORMAT]' -r -f -a "table\t'for people'
json\t'one object'
ndjson\t'one object a line'
nagios\t'one line for Nagios and its kin'
prometheus\t'Prometheus\' text format'
junit\t'JUnit\'s XML'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l progress -d 'How progress is shown, on stderr' -r -f -a "auto\t'a bar on a terminal, else a line every ten seconds'
bar\t'a bar'
plain\t'a line every ten seconds'
json\t'a JSON object a line, every second'
none\t'nothing'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l color -d 'When colour is used [env: NO_COLOR, CLICOLOR_FORCE]' -r -f -a "auto\t'on a terminal'
always\t'even into a pipe'
never\t'not at all'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l shard-only -d 'Backs up one node of a cluster that serves a part of the slots: exit 1, with the slots in the manifest'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l stale -d 'Backs up a replica that has lost its primary, key by key; its data may be old: exit 1, and `stale` in the manifest'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l if-due -d 'Takes a backup only if the schedule in the settings says that one is due; else exit 0'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l plan -d 'Shows rights, size and time, and does nothing'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l tls -d 'Speaks TLS, as `rediss://` does'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l insecure -d 'Takes any certificate: encrypted, but nobody knows to whom'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l json -d 'Short for --format json'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -s q -l quiet -d 'Nothing on stderr but errors'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -s v -l verbose -d 'Logs what is done, on stderr; -vv every step, -vvv every step of the libraries too'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -s y -l yes -d 'Answers the one question that a destructive command asks'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -l hide-keys -d 'Shows a hash in place of every key name'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand backup" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l backup-id -d 'An exact id, a unique beginning, `latest`, or INSTANCE/ID' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l file -d 'An RDB file in place of a backup: .rdb, .rdb.gz, .rdb.zst, or - for stdin' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l target-instance -d 'The instance to write to: a name from the settings, or a URL. It must be typed: no default and no variable names it' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l to-file -d 'Writes an RDB file in place of an instance; - for stdout' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l to-dir -d 'Writes what a server that is not running loads at its start into a folder, in place of an instance' -r -f -a "(__fish_complete_directories)"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l method -d 'How the data is written' -r -f -a "auto\t'the fastest that the plan allows'
restore\t'pipelined RESTORE'
replica\t'the target loads the file as our replica'
commands\t'typed commands, for an older target'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l on-conflict -d 'What happens to keys that the target holds already [default: fail]' -r -f -a "fail\t'refuses, and writes nothing'
skip\t'keeps the target\'s key'
replace\t'overwrites the target\'s key'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l keys -d 'Only keys that match; may be given several times' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l exclude -d 'No keys that match; may be given several times' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l db -d 'Only this database of the backup, into the same or another one; may be given several times' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l type -d 'Only keys of this type, such as string or zset; may be given several times' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l ttl -d 'What becomes of the moments at which keys expire' -r -f -a "keep\t'expires at the moment the backup says'
shift\t'later by the age of the backup'
strip\t'never expires'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l rate -d 'Writes no more than this many bytes a second, such as 50MB' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l listen -d 'For --method replica: the IP address, and the port if need be, where we listen for the target [default: our address on the way to the target, a free port]. Should this machine be lost before the target has loaded, other machines recognise what is left by a port of 32768 or above; of a lower one only this machine knows, and --undo asks first elsewhere' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l advertise -d 'For --method replica: the host, or host:port, at which the target reaches us [default: where we listen]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -s i -l instance -d 'A name from the settings file, or a URL: redis:// rediss:// unix:// redis+sentinel://host,host/service [default: redis://127.0.0.1:6379] [env: REDIS_OPS_INSTANCE]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -s H -l host -d 'The instance\'s host, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -s p -l port -d 'The instance\'s port, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -s u -l uri -d 'The instance\'s URL, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l username -d 'The ACL user [env: REDIS_OPS_USERNAME]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l password-file -d 'A file that holds the password and nothing else. Or [env: REDIS_OPS_PASSWORD, REDISCLI_AUTH]; never an argument, which everybody sees in `ps`' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l sentinel-username -d 'ACL user for the Sentinels, if it is not the server\'s [env: REDIS_OPS_SENTINEL_USERNAME]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l sentinel-password-file -d 'A file with the password for the Sentinels, if it is not the server\'s. Or [env: REDIS_OPS_SENTINEL_PASSWORD]' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l tls-ca -d 'PEM file of the authorities to trust in place of the system\'s, or of the server\'s own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l tls-cert -d 'PEM file of our own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l tls-key -d 'PEM file of the key of our own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l sni -d 'The name that the server\'s certificate must hold, in place of the host' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l timeout -d 'How long connecting may take, and the server may be silent, such as 5s [default: 5s; 65s while it makes or sends its data set]. The server may report for 60 times as long that it makes its snapshot; SCAN may name no new key for 10 times as long, and no more than 4 times as many keys as DBSIZE says, and 100,000. Less than 1 KiB a second, from the server or a store, counts as silence. An S3 store may be silent for as long, too [default: 30s]. A store that fails is asked again for 10s (or one time-out, if that is longer) by list, show, --plan and before a transfer, and for 2s where nobody listens at its port, unless a backup begins; during a transfer, for as long as `backup --store-retry` says [5m]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -s r -l repository -d 'Where backups are: s3://bucket/prefix, file:///path or a path [env: REDIS_OPS_REPOSITORY]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l s3-endpoint -d 'An S3-compatible store [env: AWS_ENDPOINT_URL_S3]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l s3-region -d 'The region of S3 [env: AWS_REGION]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l s3-path-style -d 'Puts the bucket into the path rather than the host name; the default with an endpoint of one\'s own' -r -f -a "true\t''
false\t''"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -s c -l config -d 'The settings file; else ./redis-ops.yaml, $XDG_CONFIG_HOME/redis-ops/config.yaml, /etc/redis-ops/config.yaml [env: REDIS_OPS_CONFIG]' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -s f -l format -d 'The form of the answer; a command refuses one that it has not [env: REDIS_OPS_FORMAT]' -r -f -a "table\t'for people'
json\t'one object'
ndjson\t'one object a line'
nagios\t'one line for Nagios and its kin'
prometheus\t'Prometheus\' text format'
junit\t'JUnit\'s XML'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l progress -d 'How progress is shown, on stderr' -r -f -a "auto\t'a bar on a terminal, else a line every ten seconds'
bar\t'a bar'
plain\t'a line every ten seconds'
json\t'a JSON object a line, every second'
none\t'nothing'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l color -d 'When colour is used [env: NO_COLOR, CLICOLOR_FORCE]' -r -f -a "auto\t'on a terminal'
always\t'even into a pipe'
never\t'not at all'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l replace-all -d 'Empties the target first. Asks once, and takes a safety backup of the target before'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l no-safety-backup -d 'Takes no safety backup before keys are overwritten or removed'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l allow-replica-resync -d 'Goes on although the target\'s replicas will have to resync'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l accept-loss -d 'Goes on although the plan names what the target cannot hold'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l resume -d 'Goes on with a restore that was interrupted'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l undo -d 'Ends what an interrupted restore by method `replica` left: makes the target a primary again, and puts its settings back. Needs no backup. Asks first where nothing but a primary that was never reached speaks for a restore'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l skip-verify -d 'Does not read the backup first. Whether its object is the one that the manifest names is checked all the same; other faults are still errors, but show up after the first write'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l no-proof -d 'Does not compare the target with the backup at the end'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l plan -d 'Shows what would happen, and does nothing'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l tls -d 'Speaks TLS, as `rediss://` does'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l insecure -d 'Takes any certificate: encrypted, but nobody knows to whom'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l json -d 'Short for --format json'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -s q -l quiet -d 'Nothing on stderr but errors'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -s v -l verbose -d 'Logs what is done, on stderr; -vv every step, -vvv every step of the libraries too'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -s y -l yes -d 'Answers the one question that a destructive command asks'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -l hide-keys -d 'Shows a hash in place of every key name'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l backup-id -d 'An exact id, a unique beginning, `latest`, or INSTANCE/ID' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l file -d 'An RDB file in place of a backup: .rdb, .rdb.gz, .rdb.zst, or - for stdin' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l level -d 'How much is proven [default: structure; of a backup that is compared: manifest]' -r -f -a "manifest\t'all objects are there, with the right sizes'
checksum\t'and hold the bytes that were written'
structure\t'and are an RDB that can be read to the end, with the right counts'
drill\t'and load into a throwaway server'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l against -d 'Compares with another backup: what it lacks, has besides, and has differently' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l fail-on -d 'Which differences are a no; may be given several times' -r -f -a "missing\t'keys that the backup has and the other side has not'
different\t'keys whose type, value or expiry differs, and functions'
extra\t'keys that only the other side has'
any\t'every difference'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l ttl-tolerance -d 'By how much two expiry times may differ [default: 0s]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l keys -d 'Compares only keys that match; may be given several times' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l limit -d 'Names no more than this many keys that differ' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l memory -d 'Bytes of memory for comparing, such as 64MiB; what needs more goes to a file without a name in the folder for temporary files' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l max-age -d 'The answer is no if the backup is older than this, such as 26h' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l sample -d 'With --all: only so many, `10`, or such a share, `5%`, those first that were verified longest ago' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l older-than -d 'With --all: only backups that were not verified for this long' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l server-binary -d 'For --level drill: the server to load into [default: redis-server or valkey-server on PATH]' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -s n -l db -d 'The database of the instance, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -s i -l instance -d 'A name from the settings file, or a URL: redis:// rediss:// unix:// redis+sentinel://host,host/service [default: redis://127.0.0.1:6379] [env: REDIS_OPS_INSTANCE]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -s H -l host -d 'The instance\'s host, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -s p -l port -d 'The instance\'s port, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -s u -l uri -d 'The instance\'s URL, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l username -d 'The ACL user [env: REDIS_OPS_USERNAME]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l password-file -d 'A file that holds the password and nothing else. Or [env: REDIS_OPS_PASSWORD, REDISCLI_AUTH]; never an argument, which everybody sees in `ps`' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l sentinel-username -d 'ACL user for the Sentinels, if it is not the server\'s [env: REDIS_OPS_SENTINEL_USERNAME]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l sentinel-password-file -d 'A file with the password for the Sentinels, if it is not the server\'s. Or [env: REDIS_OPS_SENTINEL_PASSWORD]' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l tls-ca -d 'PEM file of the authorities to trust in place of the system\'s, or of the server\'s own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l tls-cert -d 'PEM file of our own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l tls-key -d 'PEM file of the key of our own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l sni -d 'The name that the server\'s certificate must hold, in place of the host' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l timeout -d 'How long connecting may take, and the server may be silent, such as 5s [default: 5s; 65s while it makes or sends its data set]. The server may report for 60 times as long that it makes its snapshot; SCAN may name no new key for 10 times as long, and no more than 4 times as many keys as DBSIZE says, and 100,000. Less than 1 KiB a second, from the server or a store, counts as silence. An S3 store may be silent for as long, too [default: 30s]. A store that fails is asked again for 10s (or one time-out, if that is longer) by list, show, --plan and before a transfer, and for 2s where nobody listens at its port, unless a backup begins; during a transfer, for as long as `backup --store-retry` says [5m]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -s r -l repository -d 'Where backups are: s3://bucket/prefix, file:///path or a path [env: REDIS_OPS_REPOSITORY]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l s3-endpoint -d 'An S3-compatible store [env: AWS_ENDPOINT_URL_S3]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l s3-region -d 'The region of S3 [env: AWS_REGION]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l s3-path-style -d 'Puts the bucket into the path rather than the host name; the default with an endpoint of one\'s own' -r -f -a "true\t''
false\t''"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -s c -l config -d 'The settings file; else ./redis-ops.yaml, $XDG_CONFIG_HOME/redis-ops/config.yaml, /etc/redis-ops/config.yaml [env: REDIS_OPS_CONFIG]' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -s f -l format -d 'The form of the answer; a command refuses one that it has not [env: REDIS_OPS_FORMAT]' -r -f -a "table\t'for people'
json\t'one object'
ndjson\t'one object a line'
nagios\t'one line for Nagios and its kin'
prometheus\t'Prometheus\' text format'
junit\t'JUnit\'s XML'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l progress -d 'How progress is shown, on stderr' -r -f -a "auto\t'a bar on a terminal, else a line every ten seconds'
bar\t'a bar'
plain\t'a line every ten seconds'
json\t'a JSON object a line, every second'
none\t'nothing'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l color -d 'When colour is used [env: NO_COLOR, CLICOLOR_FORCE]' -r -f -a "auto\t'on a terminal'
always\t'even into a pipe'
never\t'not at all'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l census -d 'Shows what the data is made of'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l all -d 'Verifies every backup of the repository'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l tls -d 'Speaks TLS, as `rediss://` does'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l insecure -d 'Takes any certificate: encrypted, but nobody knows to whom'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l json -d 'Short for --format json'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -s q -l quiet -d 'Nothing on stderr but errors'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -s v -l verbose -d 'Logs what is done, on stderr; -vv every step, -vvv every step of the libraries too'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -s y -l yes -d 'Answers the one question that a destructive command asks'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -l hide-keys -d 'Shows a hash in place of every key name'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -s n -l db -d 'The database of the instance, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -s i -l instance -d 'A name from the settings file, or a URL: redis:// rediss:// unix:// redis+sentinel://host,host/service [default: redis://127.0.0.1:6379] [env: REDIS_OPS_INSTANCE]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -s H -l host -d 'The instance\'s host, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -s p -l port -d 'The instance\'s port, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -s u -l uri -d 'The instance\'s URL, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -l username -d 'The ACL user [env: REDIS_OPS_USERNAME]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -l password-file -d 'A file that holds the password and nothing else. Or [env: REDIS_OPS_PASSWORD, REDISCLI_AUTH]; never an argument, which everybody sees in `ps`' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -l sentinel-username -d 'ACL user for the Sentinels, if it is not the server\'s [env: REDIS_OPS_SENTINEL_USERNAME]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -l sentinel-password-file -d 'A file with the password for the Sentinels, if it is not the server\'s. Or [env: REDIS_OPS_SENTINEL_PASSWORD]' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -l tls-ca -d 'PEM file of the authorities to trust in place of the system\'s, or of the server\'s own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -l tls-cert -d 'PEM file of our own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -l tls-key -d 'PEM file of the key of our own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -l sni -d 'The name that the server\'s certificate must hold, in place of the host' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -l timeout -d 'How long connecting may take, and the server may be silent, such as 5s [default: 5s; 65s while it makes or sends its data set]. The server may report for 60 times as long that it makes its snapshot; SCAN may name no new key for 10 times as long, and no more than 4 times as many keys as DBSIZE says, and 100,000. Less than 1 KiB a second, from the server or a store, counts as silence. An S3 store may be silent for as long, too [default: 30s]. A store that fails is asked again for 10s (or one time-out, if that is longer) by list, show, --plan and before a transfer, and for 2s where nobody listens at its port, unless a backup begins; during a transfer, for as long as `backup --store-retry` says [5m]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -s r -l repository -d 'Where backups are: s3://bucket/prefix, file:///path or a path [env: REDIS_OPS_REPOSITORY]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -l s3-endpoint -d 'An S3-compatible store [env: AWS_ENDPOINT_URL_S3]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -l s3-region -d 'The region of S3 [env: AWS_REGION]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -l s3-path-style -d 'Puts the bucket into the path rather than the host name; the default with an endpoint of one\'s own' -r -f -a "true\t''
false\t''"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -s c -l config -d 'The settings file; else ./redis-ops.yaml, $XDG_CONFIG_HOME/redis-ops/config.yaml, /etc/redis-ops/config.yaml [env: REDIS_OPS_CONFIG]' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -s f -l format -d 'The form of the answer; a command refuses one that it has not [env: REDIS_OPS_FORMAT]' -r -f -a "table\t'for people'
json\t'one object'
ndjson\t'one object a line'
nagios\t'one line for Nagios and its kin'
prometheus\t'Prometheus\' text format'
junit\t'JUnit\'s XML'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -l progress -d 'How progress is shown, on stderr' -r -f -a "auto\t'a bar on a terminal, else a line every ten seconds'
bar\t'a bar'
plain\t'a line every ten seconds'
json\t'a JSON object a line, every second'
none\t'nothing'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -l color -d 'When colour is used [env: NO_COLOR, CLICOLOR_FORCE]' -r -f -a "auto\t'on a terminal'
always\t'even into a pipe'
never\t'not at all'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -l tls -d 'Speaks TLS, as `rediss://` does'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -l insecure -d 'Takes any certificate: encrypted, but nobody knows to whom'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -l json -d 'Short for --format json'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -s q -l quiet -d 'Nothing on stderr but errors'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -s v -l verbose -d 'Logs what is done, on stderr; -vv every step, -vvv every step of the libraries too'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -s y -l yes -d 'Answers the one question that a destructive command asks'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -l hide-keys -d 'Shows a hash in place of every key name'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -l file -d 'An RDB file in place of a backup: .rdb, .rdb.gz, .rdb.zst, or - for stdin' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -l keys -d 'Looks inside: the keys that match; may be given several times' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -l key -d 'Looks inside: one key, with its value' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -l limit -d 'With --keys or --format ndjson: no more than this many keys' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -s n -l db -d 'The database of the instance, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -s i -l instance -d 'A name from the settings file, or a URL: redis:// rediss:// unix:// redis+sentinel://host,host/service [default: redis://127.0.0.1:6379] [env: REDIS_OPS_INSTANCE]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -s H -l host -d 'The instance\'s host, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -s p -l port -d 'The instance\'s port, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -s u -l uri -d 'The instance\'s URL, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -l username -d 'The ACL user [env: REDIS_OPS_USERNAME]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -l password-file -d 'A file that holds the password and nothing else. Or [env: REDIS_OPS_PASSWORD, REDISCLI_AUTH]; never an argument, which everybody sees in `ps`' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -l sentinel-username -d 'ACL user for the Sentinels, if it is not the server\'s [env: REDIS_OPS_SENTINEL_USERNAME]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -l sentinel-password-file -d 'A file with the password for the Sentinels, if it is not the server\'s. Or [env: REDIS_OPS_SENTINEL_PASSWORD]' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -l tls-ca -d 'PEM file of the authorities to trust in place of the system\'s, or of the server\'s own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -l tls-cert -d 'PEM file of our own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -l tls-key -d 'PEM file of the key of our own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -l sni -d 'The name that the server\'s certificate must hold, in place of the host' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -l timeout -d 'How long connecting may take, and the server may be silent, such as 5s [default: 5s; 65s while it makes or sends its data set]. The server may report for 60 times as long that it makes its snapshot; SCAN may name no new key for 10 times as long, and no more than 4 times as many keys as DBSIZE says, and 100,000. Less than 1 KiB a second, from the server or a store, counts as silence. An S3 store may be silent for as long, too [default: 30s]. A store that fails is asked again for 10s (or one time-out, if that is longer) by list, show, --plan and before a transfer, and for 2s where nobody listens at its port, unless a backup begins; during a transfer, for as long as `backup --store-retry` says [5m]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -s r -l repository -d 'Where backups are: s3://bucket/prefix, file:///path or a path [env: REDIS_OPS_REPOSITORY]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -l s3-endpoint -d 'An S3-compatible store [env: AWS_ENDPOINT_URL_S3]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -l s3-region -d 'The region of S3 [env: AWS_REGION]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -l s3-path-style -d 'Puts the bucket into the path rather than the host name; the default with an endpoint of one\'s own' -r -f -a "true\t''
false\t''"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -s c -l config -d 'The settings file; else ./redis-ops.yaml, $XDG_CONFIG_HOME/redis-ops/config.yaml, /etc/redis-ops/config.yaml [env: REDIS_OPS_CONFIG]' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -s f -l format -d 'The form of the answer; a command refuses one that it has not [env: REDIS_OPS_FORMAT]' -r -f -a "table\t'for people'
json\t'one object'
ndjson\t'one object a line'
nagios\t'one line for Nagios and its kin'
prometheus\t'Prometheus\' text format'
junit\t'JUnit\'s XML'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -l progress -d 'How progress is shown, on stderr' -r -f -a "auto\t'a bar on a terminal, else a line every ten seconds'
bar\t'a bar'
plain\t'a line every ten seconds'
json\t'a JSON object a line, every second'
none\t'nothing'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -l color -d 'When colour is used [env: NO_COLOR, CLICOLOR_FORCE]' -r -f -a "auto\t'on a terminal'
always\t'even into a pipe'
never\t'not at all'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -l tls -d 'Speaks TLS, as `rediss://` does'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -l insecure -d 'Takes any certificate: encrypted, but nobody knows to whom'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -l json -d 'Short for --format json'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -s q -l quiet -d 'Nothing on stderr but errors'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -s v -l verbose -d 'Logs what is done, on stderr; -vv every step, -vvv every step of the libraries too'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -s y -l yes -d 'Answers the one question that a destructive command asks'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -l hide-keys -d 'Shows a hash in place of every key name'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l window -d 'How long rates are measured; 1s if nothing is said' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l since -d 'Counts from the last run that is so old on, in place of the window' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l watch -d 'Looks again and again, with this pause, until interrupted' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l via -d 'How keys are read: by commands, or as a replica gets them (every key, no keyspace hits, one fork)' -r -f -a "commands\t'a sample, or all of them with --full'
replication\t'all of them, as a replica gets them'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l profile -d 'What the server is for: cache, store, queue or session; the rules differ. auto guesses' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l memory-limit -d 'Memory of the server\'s container, such as 2GiB: INFO shows the machine\'s' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l top -d 'How many entries lists have' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l sort -d 'What lists are sorted by' -r -f -a "clients\t'connections of one owner: the most first'
memory\t'what takes most memory: connections, beginnings of keys'
idle\t'connections that were silent longest'
output\t'connections for which most output waits'
time\t'slow commands that took most time'
count\t'slow commands that came most often'
keys\t'beginnings that most keys have'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l fail-on -d 'From which severity on the answer is no' -r -f -a "warning\t'exit 1 for a warning, 2 for a critical finding'
critical\t'exit 2 for a critical finding, 0 for a warning'
never\t'exit 0 whatever is found'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l from -d 'A file with what servers answered or logged, in place of a server: INFO, CLIENT LIST, CLUSTER NODES, in whatever form it was copied; - for stdin' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l backup-id -d 'An exact id, a unique beginning, `latest`, or INSTANCE/ID' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l file -d 'An RDB file in place of a backup: .rdb, .rdb.gz, .rdb.zst, or - for stdin' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -s n -l db -d 'The database of the instance, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -s i -l instance -d 'A name from the settings file, or a URL: redis:// rediss:// unix:// redis+sentinel://host,host/service [default: redis://127.0.0.1:6379] [env: REDIS_OPS_INSTANCE]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -s H -l host -d 'The instance\'s host, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -s p -l port -d 'The instance\'s port, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -s u -l uri -d 'The instance\'s URL, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l username -d 'The ACL user [env: REDIS_OPS_USERNAME]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l password-file -d 'A file that holds the password and nothing else. Or [env: REDIS_OPS_PASSWORD, REDISCLI_AUTH]; never an argument, which everybody sees in `ps`' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l sentinel-username -d 'ACL user for the Sentinels, if it is not the server\'s [env: REDIS_OPS_SENTINEL_USERNAME]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l sentinel-password-file -d 'A file with the password for the Sentinels, if it is not the server\'s. Or [env: REDIS_OPS_SENTINEL_PASSWORD]' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l tls-ca -d 'PEM file of the authorities to trust in place of the system\'s, or of the server\'s own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l tls-cert -d 'PEM file of our own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l tls-key -d 'PEM file of the key of our own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l sni -d 'The name that the server\'s certificate must hold, in place of the host' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l timeout -d 'How long connecting may take, and the server may be silent, such as 5s [default: 5s; 65s while it makes or sends its data set]. The server may report for 60 times as long that it makes its snapshot; SCAN may name no new key for 10 times as long, and no more than 4 times as many keys as DBSIZE says, and 100,000. Less than 1 KiB a second, from the server or a store, counts as silence. An S3 store may be silent for as long, too [default: 30s]. A store that fails is asked again for 10s (or one time-out, if that is longer) by list, show, --plan and before a transfer, and for 2s where nobody listens at its port, unless a backup begins; during a transfer, for as long as `backup --store-retry` says [5m]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -s r -l repository -d 'Where backups are: s3://bucket/prefix, file:///path or a path [env: REDIS_OPS_REPOSITORY]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l s3-endpoint -d 'An S3-compatible store [env: AWS_ENDPOINT_URL_S3]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l s3-region -d 'The region of S3 [env: AWS_REGION]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l s3-path-style -d 'Puts the bucket into the path rather than the host name; the default with an endpoint of one\'s own' -r -f -a "true\t''
false\t''"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -s c -l config -d 'The settings file; else ./redis-ops.yaml, $XDG_CONFIG_HOME/redis-ops/config.yaml, /etc/redis-ops/config.yaml [env: REDIS_OPS_CONFIG]' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -s f -l format -d 'The form of the answer; a command refuses one that it has not [env: REDIS_OPS_FORMAT]' -r -f -a "table\t'for people'
json\t'one object'
ndjson\t'one object a line'
nagios\t'one line for Nagios and its kin'
prometheus\t'Prometheus\' text format'
junit\t'JUnit\'s XML'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l progress -d 'How progress is shown, on stderr' -r -f -a "auto\t'a bar on a terminal, else a line every ten seconds'
bar\t'a bar'
plain\t'a line every ten seconds'
json\t'a JSON object a line, every second'
none\t'nothing'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l color -d 'When colour is used [env: NO_COLOR, CLICOLOR_FORCE]' -r -f -a "auto\t'on a terminal'
always\t'even into a pipe'
never\t'not at all'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l full -d 'Looks at every key rather than at a sample'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l tls -d 'Speaks TLS, as `rediss://` does'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l insecure -d 'Takes any certificate: encrypted, but nobody knows to whom'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l json -d 'Short for --format json'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -s q -l quiet -d 'Nothing on stderr but errors'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -s v -l verbose -d 'Logs what is done, on stderr; -vv every step, -vvv every step of the libraries too'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -s y -l yes -d 'Answers the one question that a destructive command asks'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -l hide-keys -d 'Shows a hash in place of every key name'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand diagnose" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -l require -d 'What the instance must be able to do: answer, serve, or take writes' -r -f -a "live\t'it answers'
ready\t'it serves: not loading, it persists, a replica has its primary'
writable\t'it takes writes'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -s n -l db -d 'The database of the instance, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -s i -l instance -d 'A name from the settings file, or a URL: redis:// rediss:// unix:// redis+sentinel://host,host/service [default: redis://127.0.0.1:6379] [env: REDIS_OPS_INSTANCE]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -s H -l host -d 'The instance\'s host, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -s p -l port -d 'The instance\'s port, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -s u -l uri -d 'The instance\'s URL, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -l username -d 'The ACL user [env: REDIS_OPS_USERNAME]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -l password-file -d 'A file that holds the password and nothing else. Or [env: REDIS_OPS_PASSWORD, REDISCLI_AUTH]; never an argument, which everybody sees in `ps`' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -l sentinel-username -d 'ACL user for the Sentinels, if it is not the server\'s [env: REDIS_OPS_SENTINEL_USERNAME]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -l sentinel-password-file -d 'A file with the password for the Sentinels, if it is not the server\'s. Or [env: REDIS_OPS_SENTINEL_PASSWORD]' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -l tls-ca -d 'PEM file of the authorities to trust in place of the system\'s, or of the server\'s own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -l tls-cert -d 'PEM file of our own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -l tls-key -d 'PEM file of the key of our own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -l sni -d 'The name that the server\'s certificate must hold, in place of the host' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -l timeout -d 'How long connecting may take, and the server may be silent, such as 5s [default: 5s; 65s while it makes or sends its data set]. The server may report for 60 times as long that it makes its snapshot; SCAN may name no new key for 10 times as long, and no more than 4 times as many keys as DBSIZE says, and 100,000. Less than 1 KiB a second, from the server or a store, counts as silence. An S3 store may be silent for as long, too [default: 30s]. A store that fails is asked again for 10s (or one time-out, if that is longer) by list, show, --plan and before a transfer, and for 2s where nobody listens at its port, unless a backup begins; during a transfer, for as long as `backup --store-retry` says [5m]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -s r -l repository -d 'Where backups are: s3://bucket/prefix, file:///path or a path [env: REDIS_OPS_REPOSITORY]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -l s3-endpoint -d 'An S3-compatible store [env: AWS_ENDPOINT_URL_S3]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -l s3-region -d 'The region of S3 [env: AWS_REGION]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -l s3-path-style -d 'Puts the bucket into the path rather than the host name; the default with an endpoint of one\'s own' -r -f -a "true\t''
false\t''"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -s c -l config -d 'The settings file; else ./redis-ops.yaml, $XDG_CONFIG_HOME/redis-ops/config.yaml, /etc/redis-ops/config.yaml [env: REDIS_OPS_CONFIG]' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -s f -l format -d 'The form of the answer; a command refuses one that it has not [env: REDIS_OPS_FORMAT]' -r -f -a "table\t'for people'
json\t'one object'
ndjson\t'one object a line'
nagios\t'one line for Nagios and its kin'
prometheus\t'Prometheus\' text format'
junit\t'JUnit\'s XML'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -l progress -d 'How progress is shown, on stderr' -r -f -a "auto\t'a bar on a terminal, else a line every ten seconds'
bar\t'a bar'
plain\t'a line every ten seconds'
json\t'a JSON object a line, every second'
none\t'nothing'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -l color -d 'When colour is used [env: NO_COLOR, CLICOLOR_FORCE]' -r -f -a "auto\t'on a terminal'
always\t'even into a pipe'
never\t'not at all'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -l tls -d 'Speaks TLS, as `rediss://` does'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -l insecure -d 'Takes any certificate: encrypted, but nobody knows to whom'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -l json -d 'Short for --format json'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -s q -l quiet -d 'Nothing on stderr but errors'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -s v -l verbose -d 'Logs what is done, on stderr; -vv every step, -vvv every step of the libraries too'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -s y -l yes -d 'Answers the one question that a destructive command asks'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -l hide-keys -d 'Shows a hash in place of every key name'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand health" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -l textfile -d 'Writes to this file, at once and whole, in place of stdout: for the textfile collector of node_exporter' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -l listen -d 'Serves /metrics and /healthz over HTTP until interrupted: a port of the loopback address, or an address such as 0.0.0.0:9121' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -s n -l db -d 'The database of the instance, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -s i -l instance -d 'A name from the settings file, or a URL: redis:// rediss:// unix:// redis+sentinel://host,host/service [default: redis://127.0.0.1:6379] [env: REDIS_OPS_INSTANCE]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -s H -l host -d 'The instance\'s host, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -s p -l port -d 'The instance\'s port, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -s u -l uri -d 'The instance\'s URL, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -l username -d 'The ACL user [env: REDIS_OPS_USERNAME]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -l password-file -d 'A file that holds the password and nothing else. Or [env: REDIS_OPS_PASSWORD, REDISCLI_AUTH]; never an argument, which everybody sees in `ps`' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -l sentinel-username -d 'ACL user for the Sentinels, if it is not the server\'s [env: REDIS_OPS_SENTINEL_USERNAME]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -l sentinel-password-file -d 'A file with the password for the Sentinels, if it is not the server\'s. Or [env: REDIS_OPS_SENTINEL_PASSWORD]' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -l tls-ca -d 'PEM file of the authorities to trust in place of the system\'s, or of the server\'s own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -l tls-cert -d 'PEM file of our own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -l tls-key -d 'PEM file of the key of our own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -l sni -d 'The name that the server\'s certificate must hold, in place of the host' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -l timeout -d 'How long connecting may take, and the server may be silent, such as 5s [default: 5s; 65s while it makes or sends its data set]. The server may report for 60 times as long that it makes its snapshot; SCAN may name no new key for 10 times as long, and no more than 4 times as many keys as DBSIZE says, and 100,000. Less than 1 KiB a second, from the server or a store, counts as silence. An S3 store may be silent for as long, too [default: 30s]. A store that fails is asked again for 10s (or one time-out, if that is longer) by list, show, --plan and before a transfer, and for 2s where nobody listens at its port, unless a backup begins; during a transfer, for as long as `backup --store-retry` says [5m]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -s r -l repository -d 'Where backups are: s3://bucket/prefix, file:///path or a path [env: REDIS_OPS_REPOSITORY]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -l s3-endpoint -d 'An S3-compatible store [env: AWS_ENDPOINT_URL_S3]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -l s3-region -d 'The region of S3 [env: AWS_REGION]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -l s3-path-style -d 'Puts the bucket into the path rather than the host name; the default with an endpoint of one\'s own' -r -f -a "true\t''
false\t''"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -s c -l config -d 'The settings file; else ./redis-ops.yaml, $XDG_CONFIG_HOME/redis-ops/config.yaml, /etc/redis-ops/config.yaml [env: REDIS_OPS_CONFIG]' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -s f -l format -d 'The form of the answer; a command refuses one that it has not [env: REDIS_OPS_FORMAT]' -r -f -a "table\t'for people'
json\t'one object'
ndjson\t'one object a line'
nagios\t'one line for Nagios and its kin'
prometheus\t'Prometheus\' text format'
junit\t'JUnit\'s XML'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -l progress -d 'How progress is shown, on stderr' -r -f -a "auto\t'a bar on a terminal, else a line every ten seconds'
bar\t'a bar'
plain\t'a line every ten seconds'
json\t'a JSON object a line, every second'
none\t'nothing'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -l color -d 'When colour is used [env: NO_COLOR, CLICOLOR_FORCE]' -r -f -a "auto\t'on a terminal'
always\t'even into a pipe'
never\t'not at all'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -l tls -d 'Speaks TLS, as `rediss://` does'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -l insecure -d 'Takes any certificate: encrypted, but nobody knows to whom'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -l json -d 'Short for --format json'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -s q -l quiet -d 'Nothing on stderr but errors'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -s v -l verbose -d 'Logs what is done, on stderr; -vv every step, -vvv every step of the libraries too'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -s y -l yes -d 'Answers the one question that a destructive command asks'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -l hide-keys -d 'Shows a hash in place of every key name'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand metrics" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -s i -l instance -d 'A name from the settings file, or a URL: redis:// rediss:// unix:// redis+sentinel://host,host/service [default: redis://127.0.0.1:6379] [env: REDIS_OPS_INSTANCE]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -s H -l host -d 'The instance\'s host, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -s p -l port -d 'The instance\'s port, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -s u -l uri -d 'The instance\'s URL, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -l username -d 'The ACL user [env: REDIS_OPS_USERNAME]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -l password-file -d 'A file that holds the password and nothing else. Or [env: REDIS_OPS_PASSWORD, REDISCLI_AUTH]; never an argument, which everybody sees in `ps`' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -l sentinel-username -d 'ACL user for the Sentinels, if it is not the server\'s [env: REDIS_OPS_SENTINEL_USERNAME]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -l sentinel-password-file -d 'A file with the password for the Sentinels, if it is not the server\'s. Or [env: REDIS_OPS_SENTINEL_PASSWORD]' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -l tls-ca -d 'PEM file of the authorities to trust in place of the system\'s, or of the server\'s own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -l tls-cert -d 'PEM file of our own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -l tls-key -d 'PEM file of the key of our own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -l sni -d 'The name that the server\'s certificate must hold, in place of the host' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -l timeout -d 'How long connecting may take, and the server may be silent, such as 5s [default: 5s; 65s while it makes or sends its data set]. The server may report for 60 times as long that it makes its snapshot; SCAN may name no new key for 10 times as long, and no more than 4 times as many keys as DBSIZE says, and 100,000. Less than 1 KiB a second, from the server or a store, counts as silence. An S3 store may be silent for as long, too [default: 30s]. A store that fails is asked again for 10s (or one time-out, if that is longer) by list, show, --plan and before a transfer, and for 2s where nobody listens at its port, unless a backup begins; during a transfer, for as long as `backup --store-retry` says [5m]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -s r -l repository -d 'Where backups are: s3://bucket/prefix, file:///path or a path [env: REDIS_OPS_REPOSITORY]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -l s3-endpoint -d 'An S3-compatible store [env: AWS_ENDPOINT_URL_S3]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -l s3-region -d 'The region of S3 [env: AWS_REGION]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -l s3-path-style -d 'Puts the bucket into the path rather than the host name; the default with an endpoint of one\'s own' -r -f -a "true\t''
false\t''"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -s c -l config -d 'The settings file; else ./redis-ops.yaml, $XDG_CONFIG_HOME/redis-ops/config.yaml, /etc/redis-ops/config.yaml [env: REDIS_OPS_CONFIG]' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -s f -l format -d 'The form of the answer; a command refuses one that it has not [env: REDIS_OPS_FORMAT]' -r -f -a "table\t'for people'
json\t'one object'
ndjson\t'one object a line'
nagios\t'one line for Nagios and its kin'
prometheus\t'Prometheus\' text format'
junit\t'JUnit\'s XML'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -l progress -d 'How progress is shown, on stderr' -r -f -a "auto\t'a bar on a terminal, else a line every ten seconds'
bar\t'a bar'
plain\t'a line every ten seconds'
json\t'a JSON object a line, every second'
none\t'nothing'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -l color -d 'When colour is used [env: NO_COLOR, CLICOLOR_FORCE]' -r -f -a "auto\t'on a terminal'
always\t'even into a pipe'
never\t'not at all'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -l tls -d 'Speaks TLS, as `rediss://` does'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -l insecure -d 'Takes any certificate: encrypted, but nobody knows to whom'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -l json -d 'Short for --format json'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -s q -l quiet -d 'Nothing on stderr but errors'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -s v -l verbose -d 'Logs what is done, on stderr; -vv every step, -vvv every step of the libraries too'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -s y -l yes -d 'Answers the one question that a destructive command asks'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -l hide-keys -d 'Shows a hash in place of every key name'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -s i -l instance -d 'A name from the settings file, or a URL: redis:// rediss:// unix:// redis+sentinel://host,host/service [default: redis://127.0.0.1:6379] [env: REDIS_OPS_INSTANCE]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -s H -l host -d 'The instance\'s host, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -s p -l port -d 'The instance\'s port, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -s u -l uri -d 'The instance\'s URL, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -l username -d 'The ACL user [env: REDIS_OPS_USERNAME]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -l password-file -d 'A file that holds the password and nothing else. Or [env: REDIS_OPS_PASSWORD, REDISCLI_AUTH]; never an argument, which everybody sees in `ps`' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -l sentinel-username -d 'ACL user for the Sentinels, if it is not the server\'s [env: REDIS_OPS_SENTINEL_USERNAME]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -l sentinel-password-file -d 'A file with the password for the Sentinels, if it is not the server\'s. Or [env: REDIS_OPS_SENTINEL_PASSWORD]' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -l tls-ca -d 'PEM file of the authorities to trust in place of the system\'s, or of the server\'s own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -l tls-cert -d 'PEM file of our own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -l tls-key -d 'PEM file of the key of our own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -l sni -d 'The name that the server\'s certificate must hold, in place of the host' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -l timeout -d 'How long connecting may take, and the server may be silent, such as 5s [default: 5s; 65s while it makes or sends its data set]. The server may report for 60 times as long that it makes its snapshot; SCAN may name no new key for 10 times as long, and no more than 4 times as many keys as DBSIZE says, and 100,000. Less than 1 KiB a second, from the server or a store, counts as silence. An S3 store may be silent for as long, too [default: 30s]. A store that fails is asked again for 10s (or one time-out, if that is longer) by list, show, --plan and before a transfer, and for 2s where nobody listens at its port, unless a backup begins; during a transfer, for as long as `backup --store-retry` says [5m]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -s r -l repository -d 'Where backups are: s3://bucket/prefix, file:///path or a path [env: REDIS_OPS_REPOSITORY]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -l s3-endpoint -d 'An S3-compatible store [env: AWS_ENDPOINT_URL_S3]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -l s3-region -d 'The region of S3 [env: AWS_REGION]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -l s3-path-style -d 'Puts the bucket into the path rather than the host name; the default with an endpoint of one\'s own' -r -f -a "true\t''
false\t''"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -s c -l config -d 'The settings file; else ./redis-ops.yaml, $XDG_CONFIG_HOME/redis-ops/config.yaml, /etc/redis-ops/config.yaml [env: REDIS_OPS_CONFIG]' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -s f -l format -d 'The form of the answer; a command refuses one that it has not [env: REDIS_OPS_FORMAT]' -r -f -a "table\t'for people'
json\t'one object'
ndjson\t'one object a line'
nagios\t'one line for Nagios and its kin'
prometheus\t'Prometheus\' text format'
junit\t'JUnit\'s XML'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -l progress -d 'How progress is shown, on stderr' -r -f -a "auto\t'a bar on a terminal, else a line every ten seconds'
bar\t'a bar'
plain\t'a line every ten seconds'
json\t'a JSON object a line, every second'
none\t'nothing'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -l color -d 'When colour is used [env: NO_COLOR, CLICOLOR_FORCE]' -r -f -a "auto\t'on a terminal'
always\t'even into a pipe'
never\t'not at all'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -l tls -d 'Speaks TLS, as `rediss://` does'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -l insecure -d 'Takes any certificate: encrypted, but nobody knows to whom'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -l json -d 'Short for --format json'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -s q -l quiet -d 'Nothing on stderr but errors'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -s v -l verbose -d 'Logs what is done, on stderr; -vv every step, -vvv every step of the libraries too'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -s y -l yes -d 'Answers the one question that a destructive command asks'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -l hide-keys -d 'Shows a hash in place of every key name'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -l to-dir -d 'The folder to write `redis-ops.1`, `redis-ops-backup.1`, … to' -r -f -a "(__fish_complete_directories)"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -l reference -d 'The folder to write the reference to that the project keeps in `docs/`: `rules.md`, and `json/*.schema.json`' -r -f -a "(__fish_complete_directories)"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -s i -l instance -d 'A name from the settings file, or a URL: redis:// rediss:// unix:// redis+sentinel://host,host/service [default: redis://127.0.0.1:6379] [env: REDIS_OPS_INSTANCE]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -s H -l host -d 'The instance\'s host, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -s p -l port -d 'The instance\'s port, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -s u -l uri -d 'The instance\'s URL, as with redis-cli' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -l username -d 'The ACL user [env: REDIS_OPS_USERNAME]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -l password-file -d 'A file that holds the password and nothing else. Or [env: REDIS_OPS_PASSWORD, REDISCLI_AUTH]; never an argument, which everybody sees in `ps`' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -l sentinel-username -d 'ACL user for the Sentinels, if it is not the server\'s [env: REDIS_OPS_SENTINEL_USERNAME]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -l sentinel-password-file -d 'A file with the password for the Sentinels, if it is not the server\'s. Or [env: REDIS_OPS_SENTINEL_PASSWORD]' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -l tls-ca -d 'PEM file of the authorities to trust in place of the system\'s, or of the server\'s own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -l tls-cert -d 'PEM file of our own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -l tls-key -d 'PEM file of the key of our own certificate' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -l sni -d 'The name that the server\'s certificate must hold, in place of the host' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -l timeout -d 'How long connecting may take, and the server may be silent, such as 5s [default: 5s; 65s while it makes or sends its data set]. The server may report for 60 times as long that it makes its snapshot; SCAN may name no new key for 10 times as long, and no more than 4 times as many keys as DBSIZE says, and 100,000. Less than 1 KiB a second, from the server or a store, counts as silence. An S3 store may be silent for as long, too [default: 30s]. A store that fails is asked again for 10s (or one time-out, if that is longer) by list, show, --plan and before a transfer, and for 2s where nobody listens at its port, unless a backup begins; during a transfer, for as long as `backup --store-retry` says [5m]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -s r -l repository -d 'Where backups are: s3://bucket/prefix, file:///path or a path [env: REDIS_OPS_REPOSITORY]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -l s3-endpoint -d 'An S3-compatible store [env: AWS_ENDPOINT_URL_S3]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -l s3-region -d 'The region of S3 [env: AWS_REGION]' -r
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -l s3-path-style -d 'Puts the bucket into the path rather than the host name; the default with an endpoint of one\'s own' -r -f -a "true\t''
false\t''"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -s c -l config -d 'The settings file; else ./redis-ops.yaml, $XDG_CONFIG_HOME/redis-ops/config.yaml, /etc/redis-ops/config.yaml [env: REDIS_OPS_CONFIG]' -r -F
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -s f -l format -d 'The form of the answer; a command refuses one that it has not [env: REDIS_OPS_FORMAT]' -r -f -a "table\t'for people'
json\t'one object'
ndjson\t'one object a line'
nagios\t'one line for Nagios and its kin'
prometheus\t'Prometheus\' text format'
junit\t'JUnit\'s XML'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -l progress -d 'How progress is shown, on stderr' -r -f -a "auto\t'a bar on a terminal, else a line every ten seconds'
bar\t'a bar'
plain\t'a line every ten seconds'
json\t'a JSON object a line, every second'
none\t'nothing'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -l color -d 'When colour is used [env: NO_COLOR, CLICOLOR_FORCE]' -r -f -a "auto\t'on a terminal'
always\t'even into a pipe'
never\t'not at all'"
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -l tls -d 'Speaks TLS, as `rediss://` does'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -l insecure -d 'Takes any certificate: encrypted, but nobody knows to whom'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -l json -d 'Short for --format json'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -s q -l quiet -d 'Nothing on stderr but errors'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -s v -l verbose -d 'Logs what is done, on stderr; -vv every step, -vvv every step of the libraries too'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -s y -l yes -d 'Answers the one question that a destructive command asks'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -l hide-keys -d 'Shows a hash in place of every key name'
complete -c redis-ops -n "__fish_redis_ops_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
