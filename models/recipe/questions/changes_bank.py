"""Changes of programs, in several wordings, with other words for each by which people ask for it; used by changes.py; and how they are filled.

A change: (category, statements, things, {key: questions}). `[[key:words]]` in a statement marks an answer, `{slot}` is drawn. The things are
noun phrases that fit "Which version fixed/brought/dropped ...?". The questions of the key V are answered by the version, those of the key
ALL by the whole statement.
"""

import re

import needles

SLOTS = {
    "opt": "--strict --no-cache --follow --dry-run --batch-size --keep-going --color --threads --no-verify --max-depth --quiet-exit --lock-file "
        "--proxy "
    "--timeout --jobs --since --force-utf8 --inline --watch --bind --user-agent --rate-limit --chunk --resume --checksum --no-pager".split(),
    "set": "cache_dir log_level allow_origins auto_reload bind_address use_sendfile default_locale trust_proxy tmp_path cookie_secure db_url "
        "smtp_host mirror_url "
    "theme_name login_hook allow_guests start_page".split(),
    "numset": "max_retries idle_timeout pool_size session_ttl listen_backlog queue_limit retry_delay worker_count scan_interval cache_entries "
        "max_clients page_length "
    "burst_limit history_size".split(),
    "set2": "retry_policy storage.path limits.idle logging.threshold pool.max cors.origins sessions.lifetime reload_mode network.listen "
        "io.zero_copy http.persist "
    "net.backlog proxy.trusted queue.capacity workers locale.fallback paths.scratch database.dsn mail.server".split(),
    "cmd": "export import sync serve init prune restore status verify migrate watch fetch attach publish replay rotate inspect unpack lint bench "
        "diff merge purge compact reindex deploy login upload tag snapshot clone scan sign convert dump".split(),
    "func": "parse_header() open_stream() Client.connect() read_chunk() Session.close() encode_path() flush_all() Index.lookup() get_peer() "
        "Table.merge() "
    "load_rules() Writer.append() resolve() to_json() Timer.cancel() copy_tree() decode_utf8() Pool.acquire()".split(),
    "file": "settings.toml server.conf hosts.allow index.db project.lock users.csv rules.yaml cache.bin access.log audit.db session.key "
        "profile.json routes.yml crontab filters.conf queue.dat users.db certs.pem theme.css state.json "
    "aliases.ini backup.tar manifest.xml".split(),
    "fmt": "CSV|YAML|TOML|Parquet|EPUB|WebP|AVIF|FLAC|Markdown|DOCX|GeoJSON|MessagePack|SVG|ODT|JPEG XL|iCalendar|BibTeX|Opus|XLSX|OPML".split("|"),
    "lang": "Python 3.6|Python 3.7|Python 3.8|Node 14|Node 16|Java 8|Java 11|PHP 7.4|Ruby 2.7|Go 1.19|GCC 9|Qt 5|GTK 3|Perl 5.20|PostgreSQL 11|"
        "MySQL 5.7|"
    "OpenSSL 1.1|Rust 1.63|.NET 6|Django 3.2".split("|"),
    "plat": "FreeBSD|OpenBSD|NetBSD|macOS 11|macOS 12|Windows 7|Windows 8.1|Alpine Linux|Android 8|iOS 14|Haiku|Solaris|32-bit ARM|RISC-V|s390x|"
        "PowerPC|"
    "Raspberry Pi OS|Windows Server 2012|Wayland|musl".split("|"),
    "proto": "HTTP/2|HTTP/3|IPv6|SOCKS5|WebSocket|LDAP|Kerberos|SFTP|MQTT|gRPC|IMAP|SAML|OAuth 2.0|OpenID Connect|WebDAV|SNMPv3|DNS over TLS|AMQP".split("|"),
    "old_proto": "SSLv3|TLS 1.0|TLS 1.1|FTP|SMBv1|Telnet|DSA|MD5|RC4|XML-RPC|SOAP|NTLM|SHA-1|3DES|PPTP".split("|"),
    "tongue": "Norwegian Basque Ukrainian Catalan Turkish Portuguese Czech Greek Hungarian Swedish Korean Arabic Hebrew Finnish Vietnamese Slovak".split(),
    "lib": "zlib libxml2 SQLite libcurl OpenSSL lodash jQuery Boost ICU libpng FFmpeg protobuf LLVM pcre2 expat harfbuzz libuv nghttp2 Bootstrap SDL".split(),
    "page": "login page|search page|user list|billing screen|profile page|start screen|report view|calendar|order form|upload dialog|map view|"
    "settings window|inbox|chat window|job overview|file browser|invoice list|help viewer|device list|dashboard|contact form|media gallery|print "
    "preview|shopping basket|address list|time sheet|"
    "stock list|team page|ticket list|welcome screen|password form|activity feed|history view|colour picker".split("|"),
    "part": "parser|scheduler|indexer|mail gateway|installer|sync engine|renderer|import filter|rule editor|watchdog|print module|resolver|audit "
        "log|task queue|"
    "template engine|config loader|thumbnailer|plugin host|spell checker|backup agent|proxy module|session store|job runner|log shipper|chart "
    "widget|barcode reader|update checker|garbage collector|"
    "tokenizer|address book|archive reader|health check|message broker|font loader|query planner|replication worker".split("|"),
    "dur": "5 seconds|10 seconds|15 seconds|30 seconds|45 seconds|60 seconds|90 seconds|2 minutes".split("|"),
    "dur2": "3 minutes|4 minutes|5 minutes|10 minutes|15 minutes|20 minutes|half an hour|1 hour".split("|"),
    "size": "1 MB|2 MB|4 MB|8 MB|10 MB|16 MB|25 MB".split("|"),
    "size2": "32 MB|50 MB|64 MB|100 MB|250 MB|512 MB|1 GB|2 GB".split("|"),
    "n": [str(i) for i in (2, 3, 4, 5, 6, 8, 10, 12, 16, 20)],
    "m": [str(i) for i in (24, 32, 40, 50, 64, 100, 128, 200, 256, 500, 1000)],
    "pct": [f"{i}%" for i in (12, 15, 18, 20, 25, 30, 35, 40, 45, 60, 70)],
    "port": "8080 8443 9000 9090 5000 7070 3000 6380 8765 4040".split(),
    "port2": "8181 9443 9400 9292 5050 7171 3300 6390 8900 4141".split(),
    "libver": "1.2.13 2.10.4 3.45.1 8.5.0 3.0.13 4.17.21 3.7.1 1.83 74.2 1.6.40 6.1.1 25.3 17.0.6 10.42 2.6.0 8.3.0".split(),
    "hash": "argon2id|bcrypt|scrypt|SHA-256|SHA-512|BLAKE3|xxHash|SipHash".split("|"),
    "place": "/var/lib/{pkg}|/etc/{pkg}|/opt/{pkg}|~/.config/{pkg}|/usr/share/{pkg}|/srv/{pkg}|/run/{pkg}|~/.local/state/{pkg}".split("|"),
}

CHANGES = [
    # --- fixes
    ("fix", ("Fix a segfault in {func} when the input is empty", "{func} no longer crashes on zero-length input",
        "Empty buffers made {func} dereference a null pointer; check for that", "Guard {func} against being handed nothing"),
     ("the crash of {func} on empty input", "the crash when nothing is passed to {func}", "{func} dying on empty data"), {}),
    ("fix", ("Fix memory leak in the {part}", "Free the buffers of the {part} after use", "The {part} no longer grows without bound over time",
        "Plug a leak: the {part} kept every request in memory"),
     ("the ever-growing memory use of the {part}", "the leaking {part}", "the {part} eating more and more RAM"), {}),
    ("fix", ("Fix deadlock in the {part} on shutdown", "The {part} could hang forever while stopping; take the locks in order",
    "Stopping the service no longer blocks in the {part}",
             "Resolve a lock inversion in the {part} that kept the process from exiting"),
     ("the {part} hanging when the program is stopped", "the freeze of the {part} at exit", "the {part} blocking the shutdown"), {}),
    ("fix", ("Respect {opt} when the command is read from a file", "{opt} was ignored in batch mode", "Honour {opt} also in scripts",
    "Make {opt} take effect in non-interactive runs"),
     ("{opt} having no effect in scripts", "{opt} not being obeyed in batch runs", "the problem that {opt} did nothing when not run by hand"), {}),
    ("fix", ("Fix build on {plat}", "Repair compilation on {plat}", "Builds on {plat} again (missing include)",
        "Work around a header clash that made the build fail on {plat}"),
     ("the failure to compile on {plat}", "the trouble with building on {plat}", "the broken build for {plat}"), {}),
    ("fix", ("Fix wrong umlauts in {fmt} export", "{fmt} files are now written as UTF-8", "Accented letters came out garbled in exported {fmt} files",
        "Write non-ASCII text correctly when saving as {fmt}"),
     ("the garbled special characters in {fmt} files", "broken accents when saving {fmt}", "the encoding trouble with {fmt} output"), {}),
    ("fix", ("The {page} no longer shows stale data after a save", "Refresh the {page} after changes have been stored",
        "Fix caching bug: edits did not appear in the {page} until reload", "Invalidate the cache of the {page} on write"),
     ("the {page} showing outdated entries", "changes not turning up in the {page} at once", "having to reload the {page} to see one's edits"), {}),
    ("fix", ("Fix off-by-one error in pagination of the {page}", "The last entry was missing from every page of the {page}",
        "Paging in the {page} skipped one row per page", "{page}: do not drop the final row of each page"),
     ("rows getting lost when paging through the {page}", "the missing last entry in the {page}",
         "one item per page not being displayed in the {page}"), {}),
    ("fix", ("Handle daylight saving time in the {part}", "The {part} ran twice in the night when the clocks go back",
        "{part}: use UTC internally so that the hour change does no harm", "Do not trip over the switch to winter time in the {part}"),
     ("the {part} getting confused when the clocks change", "the summer time bug of the {part}", "trouble in the {part} with the clock change"), {}),
    ("fix", ("Fix `{cmd}` exiting with 0 although it failed", "`{cmd}` now returns a non-zero exit status on errors",
        "Report failures of `{cmd}` to the caller", "Errors during `{cmd}` were swallowed and success was reported"),
     ("`{cmd}` pretending to have succeeded", "{cmd} not signalling errors", "the wrong exit code of {cmd}"), {}),
    ("fix", ("Do not overwrite {file} on upgrade", "Upgrades keep local modifications of {file}",
        "{file} was replaced with the default by every update", "Stop the installer from clobbering {file}"),
     ("the loss of edits to {file} when updating", "{file} being reset by updates", "my own {file} getting replaced by the upgrade"), {}),
    ("fix", ("Fix regression from [[old:{old}]]: `{cmd}` was slow on large inputs", "`{cmd}` is fast again (slowdown introduced in [[old:{old}]])",
        "Undo the performance loss of `{cmd}` that came with [[old:{old}]]"),
     ("the slowness of {cmd}", "{cmd} taking ages on big data", "the sluggish {cmd} command"),
     {"old": ("Which version made {cmd} slow?", "Since which version was {cmd} slow?", "Where did the slowdown of {cmd} come from?",
         "Which release is to blame for {cmd} getting slower?")}),
    ("fix", ("Fix regression: {proto} connections were refused since [[old:{old}]]", "Accept {proto} connections again, broken by [[old:{old}]]",
        "Restore {proto}, which stopped working in [[old:{old}]]"),
     ("the failing {proto} connections", "{proto} no longer working", "the broken {proto}"),
     {"old": ("Which version broke {proto}?", "Since when did {proto} not work?", "In which release did {proto} stop working?",
         "What release introduced the {proto} problem?")}),
    ("fix", ("Fix race condition when two processes write {file}", "Lock {file} before writing to it", "Concurrent writers could corrupt {file}",
        "Writes to {file} are atomic now"),
     ("{file} getting damaged by simultaneous writes", "the corruption of {file}", "two programs ruining {file} by writing at once"), {}),
    ("fix", ("Fix {cmd} failing for paths with spaces", "`{cmd}`: quote file names properly", "Blanks in directory names no longer confuse `{cmd}`",
        "`{cmd}` choked on folder names that contain spaces"),
     ("{cmd} not coping with spaces in file names", "{cmd} stumbling over blanks in a path", "the {cmd} error with names like 'My Files'"), {}),
    ("fix", ("Fix high CPU load of the {part} when idle", "The {part} no longer polls while there is nothing to do",
        "Busy loop in the {part} removed", "{part}: sleep instead of spinning when no work is waiting"),
     ("the {part} burning CPU while doing nothing", "the processor load caused by the {part}", "the {part} keeping the processor busy for no reason"),
         {}),
    ("fix", ("Fix off-screen dialogs with two monitors in the {page}", "Dialogs of the {page} open on the right screen now",
        "On multi-monitor desktops the {page} could open its dialogs out of sight"),
     ("dialogs of the {page} opening out of view", "invisible windows of the {page} on dual-monitor setups",
         "pop-ups of the {page} landing on the wrong monitor"), {}),
    ("fix", ("Do not send reminder mails twice", "Duplicate notification e-mails are suppressed", "Every reminder went out two times; fixed",
        "Mail queue: drop repeated notifications"),
     ("the doubled reminder e-mails", "people getting the same mail twice", "duplicate notifications"), {}),
    ("fix", ("Round totals correctly in {fmt} reports", "Sums in {fmt} reports were off by a cent",
        "{fmt} reports: add up in integers to avoid rounding errors"),
     ("the wrong totals in {fmt} reports", "sums being a cent off in {fmt} reports", "the rounding mistake in {fmt} reports"), {}),
    ("fix", ("debian/control: add missing dependency on [[dep:{lib}]] for the {part}",
        "Depend on [[dep:{lib}]], without which the {part} fails to start", "The {part} needs [[dep:{lib}]] at run time; declare it"),
     ("the undeclared dependency of the {part}", "the {part} not starting because of a missing package", "the {part} failing for want of a library"),
     {"dep": ("Which package does the {part} need?", "What dependency was missing for the {part}?",
         "What has to be installed for the {part} to start?", "Without what does the {part} not run?")}),
    ("fix", ("Fix {cmd} truncating files larger than [[lim:{size2}]]", "`{cmd}` cut off files beyond [[lim:{size2}]]",
        "Files above [[lim:{size2}]] survive `{cmd}` in one piece now"),
     ("{cmd} cutting off big files", "incomplete large files after {cmd}", "data missing from huge files after {cmd}"),
     {"lim": ("Files of what size were cut off by {cmd}?", "Up to which size did {cmd} work correctly?",
         "How large did a file have to be for {cmd} to damage it?")}),
    ("fix", ("Fix typo in the {tongue} translation", "Correct a misspelt menu entry in {tongue}", "{tongue} translation: fix spelling",
        "l10n: correct a word in {tongue}"),
     ("a spelling mistake in {tongue}", "the misspelling in the {tongue} texts", "the {tongue} typo"), {}),
    ("fix", ("Session cookies expired after [[was:{dur}]] instead of [[now:{dur2}]]",
        "Keep users logged in for [[now:{dur2}]], not just [[was:{dur}]]",
            "Fix premature logout: sessions live [[now:{dur2}]] as documented, not [[was:{dur}]]"),
     ("users being logged out too early", "people getting thrown out after a short while", "sessions ending too soon"),
     {"now": ("How long does a session last now?", "How long do users stay logged in after the fix?",
         "After what time is one logged out, as it should be?"),
      "was": ("After how long were users wrongly logged out?", "How long did sessions last because of the bug?")}),
    ("fix", ("Pin {lib} to [[v:{libver}]], newer ones break the {part}", "Stay with {lib} [[v:{libver}]] until the {part} copes with later releases",
        "Require exactly {lib} [[v:{libver}]]; the {part} fails with anything newer"),
     ("the {part} breaking with recent {lib}", "the incompatibility of the {part} with new {lib}", "the clash between {lib} and the {part}"),
     {"v": ("Which {lib} version has to be used?", "What version of {lib} works?", "To which {lib} is it pinned?",
         "Which release of {lib} must I install?")}),
    # --- additions
    ("add", ("Add {fmt} export", "Documents can be saved as {fmt}", "New: write results in {fmt} format", "Implement an exporter for {fmt}"),
     ("saving as {fmt}", "the possibility to write {fmt} files", "{fmt} output"),
     {"V": ("Since which version can I save as {fmt}?", "From what version on can results be written as {fmt}?",
         "Which version do I need to get {fmt} files out of it?")}),
    ("add", ("Add {proto} support", "The {part} now speaks {proto}", "Initial implementation of {proto} in the {part}",
        "{proto} can be used for connections"),
     ("support for {proto}", "the ability to use {proto}", "{proto}"),
     {"V": ("Which version do I need for {proto}?", "Since which release does it understand {proto}?", "What is the first version with {proto}?")}),
    ("add", ("Add {tongue} translation ([[who:{person}]])", "New translation: {tongue} ([[who:{person}]])",
        "l10n: user interface in {tongue}, thanks to [[who:{person}]]", "{tongue} texts contributed by [[who:{person}]]"),
     ("the {tongue} translation", "a user interface in {tongue}", "{tongue} as a language"),
     {"who": ("Who translated it into {tongue}?", "Who is behind the {tongue} texts?", "Who made the {tongue} version of the interface?")}),
    ("add", ("Add option {opt} to `{cmd}`", "`{cmd}` learned {opt}", "New flag {opt} for the `{cmd}` command",
        "Introduce {opt}, understood by `{cmd}`"),
     ("the {opt} option", "{opt}", "the {opt} switch"),
     {"V": ("Since when is there {opt}?", "Which version do I need to use {opt}?", "From which version on does {opt} exist?")}),
    ("add", ("New command `[[c:{cmd}]]` to check files of type {fmt}", "{fmt} files can be checked with the new `[[c:{cmd}]]` command",
        "Add `[[c:{cmd}]]`, which validates {fmt} files"),
     ("checking of {fmt} files", "the validator for {fmt}", "a way to test whether {fmt} files are sound"),
     {"c": ("With which command can I check {fmt} files?", "How do I validate a {fmt} file?", "Which command tests {fmt} files?",
         "What do I run to see whether my {fmt} file is valid?")}),
    ("add", ("Dark mode for the {page}", "The {page} follows the dark theme of the desktop", "Add a dark colour scheme to the {page}",
        "{page}: night colours"),
     ("the dark look of the {page}", "dark colours in the {page}", "a night theme for the {page}"), {}),
    ("add", ("Run `{cmd}` in parallel with up to [[n:{m}]] workers", "`{cmd}` uses several cores, at most [[n:{m}]] workers",
        "Multi-threaded `{cmd}` (limit: [[n:{m}]] workers)"),
     ("the parallel {cmd}", "{cmd} using more than one core", "multi-core operation of {cmd}"),
     {"n": ("How many workers can {cmd} have?", "What is the maximum number of workers for {cmd}?",
         "With how many workers does {cmd} run at most?")}),
    ("add", ("Ship a systemd unit for the {part}", "The {part} can be started as a systemd service",
        "Install {pkg}.service so that the {part} starts at boot", "Start the {part} through systemd"),
     ("starting the {part} as a system service", "the service file for the {part}", "automatic start of the {part} at boot"), {}),
    ("add", ("Packages for {plat}", "{plat} is now a supported platform", "Provide binaries for {plat}", "First release that runs on {plat}"),
     ("support for {plat}", "builds for {plat}", "the {plat} port"),
     {"V": ("Which is the first version for {plat}?", "From which version on can I use it on {plat}?", "Which version runs on {plat}?")}),
    ("add", ("Two-factor login with [[what:{how}]]", "Users can protect their accounts by [[what:{how}]] as a second factor",
        "Add a second factor ([[what:{how}]]) to the login"),
     ("two-factor authentication", "a second step at login", "2FA"),
     {"what": ("What serves as the second factor?", "What can be used for two-factor authentication?",
         "By what means is the login protected additionally?")}),
    ("add", ("Keyboard shortcut [[k:{keys}]] for the search in the {page}", "[[k:{keys}]] jumps to the search field of the {page}",
        "Pressing [[k:{keys}]] opens the search of the {page}"),
     ("a keyboard shortcut for searching the {page}", "searching the {page} by a key press", "the search hotkey of the {page}"),
     {"k": ("Which key opens the search of the {page}?", "How do I search the {page} from the keyboard?",
         "What do I press to search in the {page}?")}),
    ("add", ("Rate limiting: at most [[n:{m}]] requests per minute and client",
        "Clients that send more than [[n:{m}]] requests a minute are turned away", "Throttle clients to [[n:{m}]] calls per minute"),
     ("the throttling of clients", "a limit on requests", "protection from clients that send too much"),
     {"n": ("How many requests a minute are allowed?", "What is the request limit for a client?",
         "From how many calls per minute on is one turned away?")}),
    ("add", ("Backups of {file} are kept for [[d:{days}]]", "Keep old copies of {file} for [[d:{days}]]",
        "{file} is backed up daily; copies are deleted after [[d:{days}]]"),
     ("the backups of {file}", "old copies of {file} being kept", "saving of earlier states of {file}"),
     {"d": ("How long are copies of {file} kept?", "When are the backups of {file} deleted?", "For what time can I get an old {file} back?")}),
    ("add", ("Undo in the {page} (up to [[n:{m}]] steps)", "The {page} remembers the last [[n:{m}]] actions for undo",
        "{page}: the most recent [[n:{m}]] edits can be taken back"),
     ("undo in the {page}", "taking back changes in the {page}", "the possibility to revert edits in the {page}"),
     {"n": ("How many steps can be undone in the {page}?", "How far back does undo go in the {page}?",
         "How many edits can I take back in the {page}?")}),
    ("add", ("Metrics of the {part} at [[u:/metrics/{cmd}]]", "Expose statistics of the {part} under [[u:/metrics/{cmd}]]",
        "The {part} publishes counters at [[u:/metrics/{cmd}]] for Prometheus"),
     ("monitoring figures of the {part}", "statistics on the {part}", "metrics for the {part}"),
     {"u": ("Where do I find the metrics of the {part}?", "Under what path are the statistics of the {part}?",
         "At which address does the {part} give its counters?")}),
    # --- changes
    ("change", ("Raise the default of `{numset}` from [[was:{n}]] to [[now:{m}]]", "`{numset}` now defaults to [[now:{m}]] (was [[was:{n}]])",
        "New default for `{numset}`: [[now:{m}]] instead of [[was:{n}]]",
                "The default value of `{numset}` is [[now:{m}]]; it used to be [[was:{n}]]"),
     ("the new default of {numset}", "the higher default for {numset}", "the increase of {numset}"),
     {"now": ("What is {numset} if I do not set it?", "What is the default of {numset} now?", "What does {numset} stand at by default?",
         "To what was {numset} raised?"),
      "was": ("What was {numset} by default before?", "What used to be the default of {numset}?", "What was the old value of {numset}?")}),
    ("change", ("Listen on port [[now:{port2}]] by default; the old [[was:{port}]] clashed with other programs",
        "Default port changed from [[was:{port}]] to [[now:{port2}]]", "The server moves to port [[now:{port2}]] (before: [[was:{port}]])"),
     ("another port", "the move to a new port", "the change of the port number"),
     {"now": ("On which port does it listen now?", "Which port must I open in the firewall for the new release?", "What is the default port today?"),
      "was": ("Which port did it use before?", "What was the old port?", "On which port did earlier versions listen?")}),
    ("change", ("Increase the connect timeout of the {part} from [[was:{dur}]] to [[now:{dur2}]]",
        "The {part} waits [[now:{dur2}]] for an answer, not [[was:{dur}]]", "Timeout of the {part} is now [[now:{dur2}]] (previously [[was:{dur}]])"),
     ("the longer timeout of the {part}", "more patience of the {part}", "a longer wait in the {part}"),
     {"now": ("How long does the {part} wait for an answer now?", "What is the timeout of the {part}?", "After what time does the {part} give up?"),
      "was": ("How long did the {part} wait before?", "What was the earlier timeout of the {part}?")}),
    ("change", ("Maximum upload size raised to [[now:{size2}]] (was [[was:{size}]])",
        "Uploads of up to [[now:{size2}]] are accepted instead of [[was:{size}]]",
            "Lift the limit for attachments from [[was:{size}]] to [[now:{size2}]]"),
     ("larger uploads", "a higher limit for attachments", "the possibility to upload bigger files"),
     {"now": ("How big may an upload be now?", "What is the largest file I can attach?", "Up to what size are uploads accepted?"),
      "was": ("How large could uploads be before?", "What was the old upload limit?")}),
    ("change", ("Update bundled {lib} to [[v:{libver}]]", "Bump {lib} to [[v:{libver}]]", "Use {lib} [[v:{libver}]]",
        "Upgrade the vendored copy of {lib} to version [[v:{libver}]]"),
     ("the newer {lib}", "the {lib} update", "the upgrade of {lib}"),
     {"v": ("Which version of {lib} is included?", "To what was {lib} updated?", "What {lib} does it come with?", "How new is the bundled {lib}?")}),
    ("change", ("Passwords are hashed with [[h:{hash}]]", "Store passwords as [[h:{hash}]]", "Switch the password storage to [[h:{hash}]]"),
     ("another way to store passwords", "the new password hashing", "the switch of the password hash"),
     {"h": ("How are passwords stored?", "With what are passwords hashed?", "Which algorithm protects the passwords?")}),
    ("change", ("Move data files to [[p:{place}]]", "Data now lives in [[p:{place}]]", "Follow the standard: keep data below [[p:{place}]]"),
     ("a new place for the data", "the move of the data files", "the relocated data directory"),
     {"p": ("Where are the data files now?", "In which folder does it keep its data?", "To where were the data moved?",
         "Where do I find my data after the update?")}),
    ("change", ("Speed up `{cmd}` by [[p:{pct}]]", "`{cmd}` is about [[p:{pct}]] faster", "`{cmd}` takes [[p:{pct}]] less time on large inputs",
        "Optimise `{cmd}`: [[p:{pct}]] quicker"),
     ("the faster {cmd}", "the speed-up of {cmd}", "the better performance of {cmd}"),
     {"p": ("How much faster did {cmd} become?", "By how much was {cmd} sped up?", "What is the gain in speed of {cmd}?")}),
    ("change", ("Reduce memory use of the {part} by [[p:{pct}]]", "The {part} needs [[p:{pct}]] less memory", "Leaner {part}: [[p:{pct}]] less RAM"),
     ("the smaller memory footprint of the {part}", "the {part} getting by with less memory", "memory savings in the {part}"),
     {"p": ("How much memory does the {part} save?", "By how much did the memory use of the {part} go down?",
         "How much less RAM does the {part} take?")}),
    ("change", ("Relicense under [[l:{licence}]]", "The licence is now [[l:{licence}]]",
        "Change licence to [[l:{licence}]], with the consent of all authors"),
     ("the new licence", "the change of licence", "other licence terms"),
     {"l": ("What licence is it under now?", "Under which licence was it put?", "What are the licence terms since the change?")}),
    ("change", ("`{cmd}` asks before deleting anything", "Make `{cmd}` request confirmation before files are removed",
        "`{cmd}` no longer deletes without asking", "Safety prompt in `{cmd}` ahead of every removal"),
     ("a confirmation prompt in {cmd}", "{cmd} asking first before it deletes", "the safety question of {cmd}"),
         {"ALL": ("Does {cmd} delete files without asking?", "Is there a prompt before {cmd} removes files?")}),
    ("change", ("Rename `{set}` to `[[new:{set2}]]`; the old name still works",
        "`{set}` is called `[[new:{set2}]]` from now on, with the old name kept as an alias", "The setting `{set}` becomes `[[new:{set2}]]`"),
     ("the renaming of {set}", "another name for {set}", "the rename of {set}"),
     {"new": ("What is {set} called now?", "What is the new name of {set}?", "Which name replaced {set}?",
         "What do I have to write instead of {set}?")}),
    ("change", ("Minimum is now [[v:{lang}]]", "Require [[v:{lang}]] or newer", "[[v:{lang}]] or later is needed to build"),
     ("higher requirements", "the new minimum requirement", "the raised minimum"),
     {"v": ("What is needed to build it?", "What is the minimum requirement?", "What do I need at least?")}),
    ("change", ("Turn telemetry off by default", "Usage statistics are no longer sent unless enabled", "Telemetry is opt-in",
        "Send usage data only after the user has agreed"),
     ("telemetry being switched off", "usage statistics only with consent", "the end of sending usage data unasked"),
         {"ALL": ("Does it send usage data by default?", "Is telemetry on without my consent?")}),
    # --- deprecations
    ("deprecate", ("Deprecate `{set}`, use `[[new:{set2}]]` instead", "`{set}` is deprecated in favour of `[[new:{set2}]]`",
        "Warn when `{set}` is used; `[[new:{set2}]]` takes its place", "Setting `{set}` is obsolete: switch to `[[new:{set2}]]`"),
     ("{set}", "the setting {set}", "the use of {set}"),
     {"new": ("What should I use instead of {set}?", "What replaces {set}?", "Which setting takes the place of {set}?",
         "What is the successor of {set}?")}),
    ("deprecate", ("Deprecate {func}; it will go away in [[end:{future}]]", "{func} is deprecated and scheduled for removal in [[end:{future}]]",
        "Calling {func} prints a warning, as it will be removed in [[end:{future}]]"),
     ("{func}", "the function {func}", "calling {func}"),
     {"end": ("When will {func} be removed?", "In which version will {func} disappear?", "Up to which release can I still rely on {func}?",
         "When does {func} go away?")}),
    ("deprecate", ("The `{cmd}` command is deprecated, [[why:{why_old}]]", "Mark `{cmd}` as deprecated: [[why:{why_old}]]",
        "Discourage `{cmd}`, since [[why:{why_old}]]"),
     ("the {cmd} command", "{cmd}", "running {cmd}"),
     {"why": ("Why is {cmd} deprecated?", "What is the reason for discouraging {cmd}?", "Why should {cmd} no longer be used?")}),
    # --- removals
    ("remove", ("Drop support for {lang}", "{lang} is no longer supported", "Remove compatibility code for {lang}", "End of support for {lang}"),
     ("support for {lang}", "{lang}", "compatibility with {lang}"),
     {"V": ("Which version no longer runs with {lang}?", "From which version on can I not use {lang} any more?",
         "Since when does it not work with {lang}?"), "ALL": ("Can I still use it with {lang}?", "Does it still support {lang}?")}),
    ("remove", ("Remove {old_proto} (insecure)", "{old_proto} is gone for good", "Disable and delete {old_proto}",
        "No more {old_proto}, which is considered unsafe"),
     ("{old_proto}", "support for {old_proto}", "the possibility to use {old_proto}"),
     {"V": ("Since which version can {old_proto} not be used?", "From what release on is {old_proto} unavailable?"),
         "ALL": ("Is {old_proto} still available?", "Can I still use {old_proto}?")}),
    ("remove", ("Stop building for {plat}: [[why:{why_plat}]]", "Remove the {plat} port, [[why:{why_plat}]]",
        "No longer build on {plat} ([[why:{why_plat}]])", "Drop {plat}, [[why:{why_plat}]]"),
     ("{plat}", "the {plat} builds", "support for {plat}"),
     {"why": ("Why was {plat} dropped?", "What is the reason for giving up {plat}?", "Why is there no build for {plat} any more?")}),
    ("remove", ("Remove the option {opt}, deprecated since [[old:{old}]]", "{opt} has been removed; it had been deprecated since [[old:{old}]]",
        "Delete {opt} (deprecated in [[old:{old}]])"),
     ("the {opt} option", "{opt}", "the {opt} switch"),
     {"old": ("Since which version was {opt} deprecated?", "When had {opt} been declared obsolete?", "In which release was {opt} deprecated?")}),
    ("remove", ("Remove the `{cmd}` command; use `[[new:{cmd2}]]`", "`{cmd}` is gone, its job is done by `[[new:{cmd2}]]`",
        "Drop `{cmd}`, which has long been superseded by `[[new:{cmd2}]]`"),
     ("the {cmd} command", "{cmd}", "the old {cmd}"),
     {"new": ("What do I run instead of {cmd}?", "Which command replaces {cmd}?", "What is the substitute for {cmd}?")}),
    ("remove", ("Remove the unused {lib} dependency", "{lib} is not needed any more", "No longer link against {lib}", "Get rid of {lib}"),
     ("the dependency on {lib}", "{lib}", "the need for {lib}"), {"ALL": ("Do I still need {lib}?", "Is {lib} still required?")}),
    # --- reverts
    ("revert", ('Revert "add {fmt} preview": [[why:{why_back}]]', "Back out the {fmt} preview, [[why:{why_back}]]",
        "The {fmt} preview has been taken out again because [[why:{why_back}]]"),
     ("the {fmt} preview", "previewing {fmt} files", "the preview of {fmt} documents"),
     {"why": ("Why was the {fmt} preview reverted?", "Why did they take back the {fmt} preview?", "What was wrong with the {fmt} preview?",
         "For what reason did the preview of {fmt} files disappear?")}),
    ("revert", ('Revert "speed up {cmd}" of [[old:{old}]], [[why:{why_back}]]',
        "Undo the optimisation of `{cmd}` from [[old:{old}]]: [[why:{why_back}]]",
            "Back to the slower `{cmd}` of before [[old:{old}]], as [[why:{why_back}]]"),
     ("the optimisation of {cmd}", "the faster variant of {cmd}", "the {cmd} speed-up"),
     {"why": ("Why was the optimisation of {cmd} reverted?", "Why did they go back to the slow {cmd}?",
         "What was the trouble with the faster {cmd}?"),
      "old": ("Which version had brought the faster {cmd} that was reverted?", "From which release was the {cmd} optimisation that was undone?")}),
    ("revert", ("Disable the new {part} again, [[why:{why_back}]]", "Return to the old {part}: [[why:{why_back}]]",
        'Revert "rewrite the {part}"; [[why:{why_back}]]'),
     ("the new {part}", "the rewritten {part}", "the rewrite of the {part}"),
     {"why": ("Why was the new {part} withdrawn?", "Why is the old {part} back?", "What spoke against the rewritten {part}?",
         "Why did they undo the {part} rewrite?")}),
    # --- security
    ("security", ("Fix a buffer overflow in {func} that allowed remote code execution",
        "{func}: check the length of the input, an attacker could run code", "Overlong input to {func} could overwrite memory and execute code"),
     ("the hole in {func} that let attackers run code", "the overflow in {func}", "code execution by way of {func}"), {}),
    ("security", ("Escape user names in the {page} (cross-site scripting)", "Script injection through the {page} was possible",
        "XSS in the {page}: names were put into the page unescaped", "{page}: sanitise all output"),
     ("the XSS problem of the {page}", "injection of scripts by way of the {page}", "foreign scripts being run in the {page}"), {}),
    ("security", ("Prevent path traversal in the {part}", "The {part} could be made to read files outside of its directory",
        "{part}: refuse file names with '..'", "Attackers could fetch arbitrary files through the {part}"),
     ("outsiders reading any file through the {part}", "the directory traversal in the {part}", "the {part} giving away files it should not"), {}),
    ("security", ("SQL injection in the {page}", "Use bound parameters for the queries of the {page}",
        "Search terms of the {page} went into the database query unchecked", "{page}: crafted input could change the database query"),
     ("the database injection in the {page}", "the {page} letting attackers tamper with queries", "manipulated queries through the {page}"), {}),
    ("security", ("Create {file} with mode [[mode:{mode}]]", "{file} was readable by all users; permissions are now [[mode:{mode}]]",
        "Tighten the permissions of {file} to [[mode:{mode}]]"),
     ("{file} being open to every user", "the too generous permissions of {file}", "other users being able to read {file}"),
     {"mode": ("What permissions does {file} have now?", "Which mode is {file} created with?", "What file mode should {file} have?")}),
    ("security", ("Denial of service: a small {fmt} file could exhaust memory", "Limit the memory taken while reading {fmt}",
        "Crafted {fmt} files could bring down the {part}", "Reject {fmt} files nested too deeply, which exhausted the stack"),
     ("the DoS by way of {fmt} files", "malicious {fmt} files taking the program down", "crashes provoked with prepared {fmt} input"), {}),
    ("security", ("{proto}: certificates of the peer were not verified", "Check the host name in {proto} certificates",
        "Man-in-the-middle attacks on {proto} were possible", "Verify the server's certificate for {proto}"),
     ("the missing certificate check for {proto}", "eavesdroppers getting in between with {proto}", "{proto} trusting any certificate"), {}),
    ("security", ("Do not write passwords to {file}", "Credentials ended up in plain text in {file}", "{file} could contain secrets; mask them",
        "Keep passwords out of {file}"),
     ("secrets leaking into {file}", "passwords showing up in {file}", "credentials readable in {file}"), {}),
    # --- further ones
    ("fix", ("Fix `{cmd}` writing to stdout instead of {file}", "Output of `{cmd}` ended up on the terminal, not in {file}",
        "Let `{cmd}` put its results into {file} as documented"),
     ("{cmd} printing its output in the wrong place", "the output of {cmd} not reaching {file}", "an empty {file} after {cmd}"), {}),
    ("fix", ("Keep the order of entries when sorting the {page} twice", "Sorting in the {page} is stable now",
        "The {page} shuffled equal entries on every click", "Use a stable sort in the {page}"),
     ("equal rows jumping about in the {page}", "the unsteady order in the {page}", "the sorting trouble of the {page}"), {}),
    ("fix", ("Retry {proto} connections after a network change", "{proto}: reconnect when the laptop wakes up",
        "After suspend, {proto} stayed offline until a restart"),
     ("{proto} being offline after standby", "lost {proto} connections after sleep mode", "{proto} not coming back when the computer wakes"), {}),
    ("fix", ("Fix the unreadable contrast of the {page} in dark mode", "Grey on black in the {page} is readable now",
        "{page}: use lighter letters on dark background"),
     ("hardly legible letters in the {page}", "the poor contrast of the {page}", "the {page} being hard to read in dark mode"), {}),
    ("fix", ("Accept [[l:{longest}]] in user names", "User names may contain [[l:{longest}]]", "Do not reject user names with [[l:{longest}]]"),
     ("user names being rejected", "the refusal of certain user names", "people with unusual names not being able to register"),
     {"l": ("What may user names contain now?", "Which characters in user names are no longer a problem?",
         "What was wrongly refused in user names?")}),
    ("fix", ("The {part} lost the last [[n:{n}]] messages when the power failed",
        "Flush the {part} at once; up to [[n:{n}]] messages could be lost at a power cut",
            "Write messages of the {part} to disk immediately (up to [[n:{n}]] were lost in a crash)"),
     ("the {part} losing messages", "data of the {part} vanishing when the power fails", "messages missing from the {part} after a crash"),
     {"n": ("How many messages of the {part} could be lost?", "How much did the {part} lose in a power cut?",
         "Up to how many messages were missing from the {part}?")}),
    ("fix", ("Fix the tests on {plat}", "Skip a test that cannot work on {plat}", "Make the test suite pass on {plat}",
        "{plat}: a test relied on the page size"),
     ("the failing tests on {plat}", "the test suite not passing on {plat}", "test failures on {plat}"), {}),
    ("add", ("Import from [[f:{rival}]]", "Data of [[f:{rival}]] can be taken over", "Add an importer for [[f:{rival}]] users",
        "Migration from [[f:{rival}]] is a matter of one click"),
     ("an import from another program", "taking over data from a competitor", "a migration path for people coming from elsewhere"),
     {"f": ("From which other program can data be taken over?", "What can be imported?", "Whose data does the new importer read?")}),
    ("add", ("The {page} can be printed", "Add a print button to the {page}", "{page}: layout for paper", "Printing from the {page} is possible"),
     ("printing from the {page}", "a way to get the {page} on paper", "hard copies of the {page}"), {}),
    ("add", ("Bash completion for `{cmd}`, written by [[who:{person}]]", "`{cmd}`: arguments are completed with the tab key (by [[who:{person}]])",
        "[[who:{person}]] has written shell completion for `{cmd}`"),
     ("tab completion for {cmd}", "shell completion of {cmd}", "completing the arguments of {cmd}"),
     {"who": ("Who wrote the shell completion for {cmd}?", "Whose work is the tab completion of {cmd}?", "Who made the completion of {cmd}?")}),
    ("add", ("Log files are rotated when they reach [[s:{size2}]]", "Rotate the log at [[s:{size2}]]",
        "New: automatic log rotation ([[s:{size2}]] per file)"),
     ("log rotation", "automatic rotation of the log", "a limit on the size of log files"),
     {"s": ("At what size are log files rotated?", "How big can a log file get?", "When is a new log file begun?")}),
    ("add", ("{file} is checked every [[d:{dur}]] and read again if it has changed",
        "Watch {file} (every [[d:{dur}]]) and apply changes without a restart", "Reload {file} automatically; it is looked at every [[d:{dur}]]"),
     ("automatic reloading of {file}", "changes in {file} taking effect without a restart", "the watching of {file}"),
     {"d": ("How often is {file} checked?", "At what interval does it look at {file}?",
         "How long may it take until a change in {file} takes effect?")}),
    ("add", ("Guests may see the {page} if `[[s:{pubset}]]` is on", "Set `[[s:{pubset}]]` to show the {page} to visitors without an account",
        "`[[s:{pubset}]]` opens the {page} to the public"),
     ("public access to the {page}", "the {page} for visitors without an account", "guest access to the {page}"),
     {"s": ("How can I make the {page} public?", "Which setting lets guests see the {page}?",
         "What must be switched on for visitors to see the {page}?")}),
    ("change", ("The {part} has been rewritten in [[l:{newlang}]]", "Port the {part} to [[l:{newlang}]]",
        "Replace the old {part} with one in [[l:{newlang}]]"),
     ("the {part} in another language", "the port of the {part}", "the rewritten {part}"),
     {"l": ("In which language is the {part} written now?", "What was the {part} ported to?", "Which programming language does the {part} use?")}),
    ("change", ("Move the source code to [[h:{forge}]]", "Development continues at [[h:{forge}]]", "The repository has moved to [[h:{forge}]]"),
     ("the move of the repository", "another home for the source code", "the new hosting of the code"),
     {"h": ("Where is the source code now?", "Where does development take place?", "To where did the repository move?")}),
    ("change", ("Old entries of the {page} are deleted after [[d:{days}]]", "The {page} keeps entries for [[d:{days}]] only",
        "{page}: purge whatever is older than [[d:{days}]]"),
     ("the clearing of old entries in the {page}", "automatic deletion in the {page}", "a limited lifetime of entries in the {page}"),
     {"d": ("How long are entries of the {page} kept?", "After what time do entries vanish from the {page}?",
         "When is something deleted from the {page}?")}),
    ("change", ("Require passwords of at least [[n:{n}]] characters", "Minimum length of passwords: [[n:{n}]] characters",
        "Passwords shorter than [[n:{n}]] characters are refused"),
     ("stricter rules for passwords", "a minimum length of passwords", "the refusal of short passwords"),
     {"n": ("How long must a password be?", "What is the minimum password length?", "How many characters does a password need?")}),
    ("change", ("`{cmd}` prints {fmt} by default; the old format is available with [[o:{opt}]]",
        "Default output of `{cmd}` is {fmt} now, [[o:{opt}]] brings back the former one",
            "`{cmd}` switches to {fmt}; use [[o:{opt}]] for the previous output"),
     ("another output format of {cmd}", "{fmt} as the output of {cmd}", "the switch of {cmd} to {fmt}"),
     {"o": ("How do I get the old output of {cmd} back?", "Which option restores the former format of {cmd}?",
         "What do I pass to {cmd} to have the previous format?")}),
    ("deprecate", ("{lang} is deprecated; support ends in [[end:{until}]]", "Support for {lang} will be dropped in [[end:{until}]]",
        "Warn users of {lang}, which is supported until [[end:{until}]] only"),
     ("{lang}", "the use of {lang}", "support for {lang}"),
     {"end": ("How long will {lang} be supported?", "Until when can I stay with {lang}?", "When does support for {lang} end?",
         "When will {lang} be dropped?")}),
    ("deprecate", ("Configuration in {fmt} is deprecated, convert it with `[[c:{cmd}]]`",
        "{fmt} configuration still works but is obsolete; `[[c:{cmd}]]` converts it",
            "Prefer the new configuration format to {fmt} (converter: `[[c:{cmd}]]`)"),
     ("configuration in {fmt}", "{fmt} as the configuration format", "the {fmt} configuration"),
     {"c": ("How do I convert my {fmt} configuration?", "Which command turns the {fmt} configuration into the new format?",
         "What converts configuration files in {fmt}?")}),
    ("remove", ("Remove the {tongue} translation, [[why:{why_tongue}]]", "{tongue} has been taken out: [[why:{why_tongue}]]",
        "Drop {tongue} texts because [[why:{why_tongue}]]"),
     ("the {tongue} translation", "the user interface in {tongue}", "{tongue}"),
     {"why": ("Why is there no {tongue} any more?", "Why was {tongue} removed?", "For what reason did they drop {tongue}?")}),
    ("remove", ("The {page} has been removed; everything can be done in the [[new:{page2}]]",
        "Drop the {page}, whose functions are now part of the [[new:{page2}]]", "Merge the {page} into the [[new:{page2}]] and delete it"),
     ("the {page}", "the separate {page}", "the old {page}"),
     {"new": ("Where do I find the functions of the {page} now?", "What has taken the place of the {page}?", "Into what was the {page} merged?")}),
    ("security", ("Lock accounts after [[n:{n}]] failed logins", "Brute force was possible; accounts are blocked after [[n:{n}]] wrong passwords",
        "No more than [[n:{n}]] attempts to log in are allowed"),
     ("the unlimited guessing of passwords", "brute-force attacks on accounts", "attackers trying out passwords without end"),
     {"n": ("After how many wrong passwords is an account locked?", "How many attempts to log in does one have?",
         "How often can I mistype my password?")}),
    ("security", ("Private keys in {file} were written without encryption", "Encrypt the keys stored in {file}", "{file} held keys in the clear"),
     ("the unencrypted keys in {file}", "keys lying open in {file}", "the lack of encryption in {file}"), {}),
]

SLOTS.update(
    how=["authenticator apps", "hardware keys", "text messages", "one-time codes by e-mail", "passkeys", "printed recovery codes"],
    keys=["Ctrl+K", "Ctrl+Shift+F", "the slash key", "Alt+S", "F3", "Cmd+P", "Ctrl+E"],
    days=["7 days", "14 days", "30 days", "two weeks", "90 days", "three months", "one year"],
    licence=["MIT", "Apache 2.0", "GPL-3.0-or-later", "AGPL-3.0", "MPL 2.0", "BSD-3-Clause", "LGPL-2.1", "EUPL 1.2", "ISC"],
    longest=["hyphens", "apostrophes", "digits", "accented letters", "dots", "spaces", "underscores"],
    pubset=["public_view", "guest_access", "open_pages", "anonymous_read", "show_to_all", "no_login_pages"],
    rival=["Evernote", "Trello", "Outlook", "LastPass", "Notion", "Thunderbird", "Jira", "Mantis", "Redmine", "KeePass", "Google Calendar"],
    newlang=["Rust", "Go", "C++", "Python", "TypeScript", "Kotlin", "Zig", "OCaml", "Java"],
    forge=["Codeberg", "GitLab", "sourcehut", "salsa.debian.org", "our own server", "GitHub", "Savannah"],
    why_tongue=["the translator is no longer active", "less than a third was translated", "too many texts were wrong", "nobody kept it up to date",
        "its font is not free"],
    mode=["0600", "0640", "0400", "0660", "rw-r-----"],
    why_old=["it never handled symbolic links", "nobody maintains it", "it duplicates the web interface", "it cannot be made thread-safe",
        "its output cannot be parsed", "the service behind it closes in June", "few people use it", "it depends on an abandoned library"],
    why_plat=["nobody is left to test it", "its toolchain is too old", "the vendor ended support", "the build machine has died",
        "fewer than ten users remain", "it cannot run the test suite", "the maintainer has retired", "the compiler lacks atomics there",
                  "the disk images have grown too large"],
    why_back=["it corrupts files on network drives", "it crashes on older processors", "results differ between runs", "it doubles the start-up time",
        "it fails with read-only disks",
              "it breaks third-party plugins", "users lost their bookmarks", "it leaks file handles", "the tests hang on slow machines",
                  "it needs a library that Debian lacks",
              "its licence is not clear", "screen readers cannot handle it", "it eats too much memory", "mobile clients cannot log in"],
)

# What is said besides, and nobody asks for.
ASIDES = (
    "The old behaviour surprised too many people.", "There is a test for it now.", "No action is needed on your side.", "See the manual for details.",
        "This had been on the list for years.",
    "It took three attempts to get this right.", "Existing installations are not touched.", "The manual page says so too.",
        "Scripts that relied on the old behaviour may need a look.",
    "A warning is printed in the log.", "The change is small but visible.", "We would like to hear how it works for you.",
        "Other distributions have done the same.", "The patch is short.",
    "This is the first step of a larger clean-up.", "Thanks to everyone who sent details.", "The same code is used in two other places.",
        "It only concerns installations from source.",
    "Most users will not notice.", "The translators have been informed.", "More of this kind will follow.",
        "It was discussed at length on the mailing list.", "Windows users were spared.",
)
CHORES = (
    "Internal clean-ups", "Update the test data", "Small corrections to the manual", "Reformat the source code", "Move the build to another runner",
        "Refresh screenshots", "Silence compiler warnings",
    "Various spelling fixes in comments", "Sort the list of contributors", "Regenerate the man pages", "Split a large source file in two",
        "Improve the wording of some messages", "Tidy up the Makefile",
    "Update copyright years", "Add a few unit tests", "Simplify the release script", "Remove dead code", "Use shorter variable names in the examples",
        "Run the linter in the build", "Rework the README",
)

CHATTER = (
    "I have tried this on a fresh account as well.", "Nothing of interest is in the log.", "A screenshot is attached.", "It was the same yesterday.",
        "I can provide more details on request.",
    "Please tell me if you need a trace.", "I am not a programmer, so bear with me.", "The rest of the program is fine, by the way.",
        "Reinstalling made no difference.", "This is rather annoying at work.",
    "Thanks for looking into it.", "My colleagues see nothing of the kind, but they work differently.", "I looked through the open reports first.",
        "Deleting the cache did not change anything.",
    "I hope that this helps.", "Sorry for the late answer, I was on holiday.", "That took me a whole evening.",
        "Let me know if I should test something.", "I had not seen this before.",
    "The forum has a long discussion on it.", "It is not urgent for me.", "I would be glad to test patches.",
        "The log is long, so I only attach the end of it.", "There is no difference in safe mode.",
)
IDLE = ("Any news on this?", "Ping.", "Me too.", "Is somebody working on it?", "I would like to see this fixed, too.",
    "Could someone raise the priority?", "Subscribing.", "Please do not write “me too”; use the vote button.")
ADVICE = (
    "Updates are installed in the usual way, with the package manager or from the download page.", "Please restart the service after the update.",
        "All packages are signed with the key of the project.",
    "We ask our users to install the update soon.", "Users of the hosted service need not do anything.",
        "If you have built the program yourself, build it again.", "Further questions are answered on the security list.",
    "We do not publish an example of an attack.", "The advisory will be updated when there is more to say.",
        "Distributions have been informed ahead of time.", "As always, we thank those who report problems in private.",
    "Check the log files for unusual entries.", "There are no changes apart from the correction.", "Containers have been built anew.",
        "Older branches are not maintained any more.",
)
TOLD = (
    "This report avoids blame and looks at the system as a whole.", "All times are taken from the monitoring system.",
        "The status page was updated during the incident.", "We apologise to all who were affected.",
    "The team met on the following day to go through the events.", "No personal data was exposed.",
        "Support answered the questions of customers by telephone and mail.", "The report is open to everyone in the company.",
    "The graphs are kept in the shared folder.", "Some details have been left out for brevity.", "Communication between the teams worked well.",
        "The first guess turned out to be wrong, which cost some time.",
    "A second look at the graphs brought the team on the right track.", "It was a quiet day apart from that.",
        "Everyone involved has read this text before publication.",
)

# What people ask about a change, by category; {x} is one of its things.
ASK_VERSION = {
    "fix": ("Which version fixed {x}?", "Which release solved {x}?", "Which version do I need to get rid of {x}?",
        "From which version on is {x} fixed?", "{x}: fixed in which version?",
            "What should I upgrade to because of {x}?", "Which update took care of {x}?"),
    "security": ("Which version fixed {x}?", "Which release closed {x}?", "What must I update to because of {x}?",
        "Since which version am I safe from {x}?", "Which update deals with {x}?"),
    "add": ("Which version brought {x}?", "In which release was {x} added?", "Since which version is there {x}?", "Which version introduced {x}?",
        "What is the first version with {x}?"),
    "change": ("Which version brought {x}?", "Which release is responsible for {x}?", "With which version did we get {x}?",
        "Since what version do we have {x}?"),
    "deprecate": ("Since which version is {x} deprecated?", "In which release was {x} declared obsolete?", "Which version began to warn about {x}?",
        "Since what version is {x} discouraged?"),
    "remove": ("Which version dropped {x}?", "In which release was {x} removed?", "Which version did away with {x}?",
        "With which version did {x} disappear?"),
    "revert": ("In which version was {x} taken out again?", "Which release reverted {x}?", "Which version went back on {x}?"),
}
ASK_WHEN = {
    "fix": ("Since what date is there a fix for {x}?", "On what date did the fix for {x} come out?", "When did they solve {x}?",
        "When did they fix {x}?"), "security": ("When was {x} closed?", "On which day was the fix for {x} published?", "When did they repair {x}?"),
    "add": ("When was {x} added?", "Since when is there {x}?", "On what date did {x} arrive?"),
    "change": ("When did they bring in {x}?", "On what date was the release with {x}?", "When did we get {x}?"),
    "deprecate": ("When was {x} deprecated?", "Since what date is {x} discouraged?"),
    "remove": ("When was {x} dropped?", "When did they remove {x}?", "On what date did {x} go away?"),
    "revert": ("When was {x} reverted?", "When was {x} taken back?"),
}
ASK_WHO = {
    "fix": ("Who fixed {x}?", "Who solved {x}?", "Who took care of {x}?", "Whom can I thank for the end of {x}?"),
    "security": ("Who fixed {x}?", "Who repaired {x}?", "Who dealt with {x}?"),
    "add": ("Who added {x}?", "Who contributed {x}?", "Who wrote the code for {x}?"),
    "change": ("Who is responsible for {x}?", "Who made the change for {x}?", "Who brought {x}?"),
    "deprecate": ("Who deprecated {x}?", "Who declared {x} obsolete?"),
    "remove": ("Who removed {x}?", "Who did away with {x}?", "Who dropped {x}?"),
    "revert": ("Who reverted {x}?", "Who took out {x} again?"),
}
ASK_YES = {"fix": ("Did they ever fix {x}?", "Has {x} been fixed?", "Is {x} still a problem?"), "security": ("Has {x} been fixed?",
    "Did they do anything about {x}?"),
           "add": ("Is there {x}?", "Do they offer {x}?"), "revert": ("Is {x} still there?", "Did {x} stay?")}  # fmt: skip
# Things in the plural, for which the verb has to change.
PLURAL = ("changes not|rows|the doubled|duplicate|sums|the wrong totals|dialogs|invisible|pop-ups|people|users|sessions|incomplete|the garbled|"
    "broken accents|builds for|dark colours|"
          "the backups|old copies|statistics|monitoring|metrics|larger|other licence|memory savings|usage|crashes|secrets|passwords|credentials|"
          "foreign|"
          "the too generous|manipulated|eavesdroppers|the unencrypted keys|keys lying|brute-force attacks|attackers|equal rows|hardly legible|lost "
          "|messages missing|the failing tests|test failures|hard copies|stricter rules|two programs|outsiders|higher requirements")
ASK_REPORTER = ("Who reported {x}?", "Who found {x}?", "Who noticed {x}?", "Who brought up {x}?")
ASK_BUG = ("Which bug number belongs to {x}?", "Under which number was {x} reported?", "What is the number of the report about {x}?",
    "In which ticket was {x} dealt with?", "{x}: which ticket?")
ASK_CVE = ("Which CVE is {x}?", "What is the CVE number of {x}?", "Which CVE stands for {x}?", "Under which CVE is {x} known?")
ASK_CVE_VERSION = ("Which version fixes {c}?", "In what version is {c} fixed?", "From which version on am I protected against {c}?", "{c}: fixed in?")
ASK_CVE_WHAT = ("What is {c} about?", "What was wrong in {c}?", "What does {c} stand for?")
ASK_DATE = ("When was {v} released?", "When did {v} come out?", "What is the date of {v}?", "How old is {v}?", "On which day was {v} published?",
    "{v} release date")
ASK_AUTHOR = ("Who uploaded {v}?", "Who released {v}?", "Who signed off {v}?", "Who made the {v} upload?", "Who is responsible for {v}?")
ASK_MAIL = ("What is the e-mail address of {a}?", "How can I reach {a}?", "Where can I write to {a}?")
ASK_DIST = ("Which distribution was {v} for?", "Where did {v} go?", "Into which suite was {v} uploaded?", "What was the target of {v}?")
ASK_URGENCY = ("How urgent was {v}?", "What urgency did {v} have?", "Which urgency does {v} carry?")
ASK_NEWEST = ("What is the newest version?", "Which is the latest version in the list?", "What is the most recent release?",
    "What version is current?", "What's the latest release here?")
ASK_OLDEST = ("What is the oldest version in the list?", "Which is the first release mentioned?", "How far back does the list go?",
    "With which version does this history begin?")
ASK_NEWEST_DATE = ("When was the latest release?", "When did the newest version come out?", "How recent is the last release?",
    "What is the date of the most recent entry?")
ASK_BY_DATE = ("Which version came out on {d}?", "What was released on {d}?", "Which release is dated {d}?")
ASK_WHAT = {
    "fix": ("What was fixed in {v}?", "Which bug does {v} fix?", "What did {v} repair?"),
    "security": ("Which security problem does {v} fix?", "What security hole was closed in {v}?", "Why is {v} relevant for security?"),
    "add": ("What is new in {v}?", "What did {v} add?", "Which feature came with {v}?"),
    "deprecate": ("What was deprecated in {v}?", "What does {v} discourage?"),
    "remove": ("What was removed in {v}?", "What did {v} drop?"),
    "revert": ("What was reverted in {v}?", "Which change did {v} take back?"),
}
ASK_NEXT = ("Which version came after {v}?", "What was the release after {v}?", "What followed {v}?")
ASK_BEFORE = ("Which version came before {v}?", "What was the release before {v}?", "What is the predecessor of {v}?")

# Remarks on a whole release: (statements, {key: questions about {v}})
REMARKS = [
    (("Upgrade note: run `[[c:{pkg} {cmd}]]` before starting the server.", "Before you start {v}, `[[c:{pkg} {cmd}]]` has to be run once.",
        "Users must execute `[[c:{pkg} {cmd}]]` after the update."),
     {"c": ("What has to be run for the update to {v}?", "Which command is needed when upgrading to {v}?", "What must be done once for {v}?")}),
    (("This release was withdrawn because [[why:{why_back}]].", "Yanked: [[why:{why_back}]].", "Do not use {v}, [[why:{why_back}]]."),
     {"why": ("Why was {v} withdrawn?", "What is wrong with {v}?", "Why should {v} not be used?", "Why was {v} pulled?")}),
    (("This is the last release of this series; it will get security fixes until [[end:{until}]].",
        "Support for this branch ends in [[end:{until}]].", "Security updates for {v} will be provided up to [[end:{until}]]."),
     {"end": ("How long does {v} get security fixes?", "When does support for {v} end?", "Until when is {v} maintained?")}),
    (("Known problem: [[what:the {part} has to be restarted by hand]].", "Known issue in this release: [[what:{fmt} files cannot be opened]].",
        "Please note that in this release [[what:printing from the {page} fails]]."),
     {"what": ("What does not work in {v}?", "Which problem is known in {v}?", "What is the known issue with {v}?")}),
    (("Direct upgrades are possible from [[from:{old}]] or later.", "To upgrade you need at least [[from:{old}]] installed.",
        "If you run something older than [[from:{old}]], update to that first."),
     {"from": ("From which version can I go straight to {v}?", "What must be installed at least to upgrade to {v}?",
         "How old may my installation be to update directly to {v}?")}),
    (("Thanks to [[who:{person}]], who tested this release on {plat}.", "[[who:{person}]] did the tests on {plat}.",
        "Tested on {plat} by [[who:{person}]]."),
     {"who": ("Who tested {v}?", "Who did the tests for {v}?", "Who tried {v} on {plat}?")}),
    (("SHA-256 of the tarball starts with [[h:{hex}]].", "Tarball checksum (short): [[h:{hex}]]", "The archive's hash begins with [[h:{hex}]]."),
     {"h": ("What is the checksum of {v}?", "What does the hash of {v} start with?", "How can I verify the download of {v}?")}),
    (("Code name: [[n:{codename}]]", "{v} is called “[[n:{codename}]]”.", "We named this release [[n:{codename}]]."),
     {"n": ("What is {v} called?", "What is the code name of {v}?", "Which name was given to {v}?")}),
    (("The release was delayed by [[d:{days}]].", "It came [[d:{days}]] later than planned.",
        "We are sorry that {v} took [[d:{days}]] longer than announced."),
     {"d": ("How late was {v}?", "By how much was {v} delayed?", "How much later than planned did {v} come?")}),
]

# --- how slots are filled and questions chosen

INNER = re.compile(r"\[\[(\w+):(.*?)\]\]")
SLOT = re.compile(r"\{(\w+)\}")
NAMED = {"opt", "set", "numset", "set2", "cmd", "func", "file", "fmt", "lang", "plat", "proto", "old_proto", "tongue", "lib", "page",
    "part"}  # no value of these comes twice
MAIL_HOSTS = "debian.org example.org posteo.net kernel.org gmail.com mailbox.org uni-ulm.de fastmail.com inria.fr ubuntu.com proton.me redhat.com".split()


class Exhausted(Exception):
    pass


class Values:
    """Values of the slots of one document: names of things are drawn without repetition."""

    def __init__(self, rng, words, **fixed):
        self.rng, self.words, self.fixed = rng, words, fixed
        self.left = {k: rng.sample(SLOTS[k], len(SLOTS[k])) for k in sorted(NAMED)}

    def draw(self, slot):
        if slot in self.fixed:
            return self.fixed[slot]
        rng, base = self.rng, slot if slot in SLOTS else slot.rstrip("23")
        if base == "person":
            return needles.name(rng)
        if base == "hex":
            return "".join(rng.choices(needles.HEX, k=8))
        if base == "codename":
            return f"{rng.choice(self.words).capitalize()} {rng.choice(self.words).capitalize()}"
        if base == "until":
            return f"{rng.choice(needles.MONTHS)} {self.fixed.get('year', 2024) + rng.randint(1, 6)}"
        if base not in self.left:
            return rng.choice(SLOTS[base])
        if not self.left[base]:
            raise Exhausted
        return self.left[base].pop()

    def fill(self, text, own):
        """`own` keeps the values of one statement and of the questions about it."""

        def value(m):
            if m.group(1) not in own:
                own[m.group(1)] = self.fill(self.draw(m.group(1)), own)
            return own[m.group(1)]

        return SLOT.sub(value, text)


def pick_marks(task, text):
    """The text with marks for its `[[key:words]]`, and {key: number}."""
    found = {}

    def marked(m):
        shown, found[m.group(1)] = task.mark(m.group(2))
        return shown

    return INNER.sub(marked, text), found


def chosen(rng, task, asked, unanswered, most=14):
    """Some of the questions, not two with the same words, an eighth of them without an answer; the unused marks go."""
    rng.shuffle(asked)
    seen, kept, spent = set(), [], {}
    limit = rng.randint(7, most)
    for q in asked:
        about = tuple(q.answers)
        if q.text in seen or spent.get(about, 0) >= 2 or len(kept) >= limit:
            continue
        spent[about] = spent.get(about, 0) + 1
        seen.add(q.text)
        kept.append(q)
    rng.shuffle(unanswered)
    for q in unanswered[: 1 if len(kept) < 9 else rng.choice((1, 2, 2))]:
        if q.text not in seen:
            seen.add(q.text)
            kept.append(q)
    rng.shuffle(kept)
    task.questions = kept
    task.prune()
    return task


def up(text):
    """The first letter as a capital, behind marks too."""
    return re.sub(r"[^\ue000-\uefff]", lambda m: m.group().upper(), text, count=1)


def date_form(rng):
    """A way of writing dates, for a whole document."""
    return rng.choice((
        lambda d: d.isoformat(), lambda d: d.isoformat(), lambda d: d.isoformat(), lambda d: f"{d.day} {needles.MONTHS[d.month - 1]} {d.year}",
        lambda d: f"{needles.MONTHS[d.month - 1]} {d.day}, {d.year}", lambda d: f"{d.day:02} {needles.MONTHS[d.month - 1][:3]} {d.year}",
        lambda d: f"{d.day:02}.{d.month:02}.{d.year}", lambda d: f"{needles.MONTHS[d.month - 1][:3]} {d.day}, {d.year}",
            lambda d: f"{d.day:02}/{d.month:02}/{d.year}",
    ))  # fmt: skip


def package(rng, words):
    kind = rng.random()
    a, b = rng.choice(words), rng.choice(words)
    if kind < 0.3:
        return a + rng.choice(("d", "fs", "ctl", "kit", "db", "-utils", "-server", "ly", "box", "2", "-tools"))
    if kind < 0.5:
        return rng.choice(("lib", "py", "go-", "node-", "open", "tiny", "fast")) + a
    if kind < 0.8:
        return f"{a}-{b}"
    return a


def handle(person):
    first, last = person.lower().split()
    return (first + last, first[0] + last, f"{last}-dev", f"{first}-{last}", f"{first}{len(last)}{len(person)}",
        f"x{last}")[(len(person) * 7 + ord(first[0])) % 6]


def mail(rng, person):
    first, last = person.lower().split()
    return rng.choice((f"{first}.{last}", first, f"{first[0]}{last}", last)) + "@" + rng.choice(MAIL_HOSTS)
