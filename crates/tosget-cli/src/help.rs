//! The parts of the help that are longer than a line. Macros, because an attribute takes literals only.

macro_rules! examples {
    () => {
        "\
Examples:
  tosget get tos://my-bucket/models/llama.bin          to ./llama.bin
  tosget get tos://my-bucket/models/llama.bin /data/   to /data/models/llama.bin
  tosget get tos://my-bucket/models/llama.bin w.bin --task-num 16 --part-size 64MiB
  tosget batch objects.txt /data/                      all objects of a list, one a line
  tosget stat tos://my-bucket/models/llama.bin --json
  tosget presign tos://my-bucket/models/llama.bin --expires 7d
  tosget get 'https://…?X-Tos-…' llama.bin             by such a URL, without keys
  tosget demo                                          a tour, without network or credentials
"
    };
}

macro_rules! batch_help {
    () => {
        "\
Each object is saved to DIRECTORY/KEY (a URL's to the last segment of its path). A key that
would leave the directory is refused. Of two lines that need one path the later one is left out
and told. One object that fails stops no other.

After an interruption, the same command again goes on: a file that is there is compared by
size and CRC64 (one HEAD, no bytes) and left alone if it is the object.

With --json, the run goes on if its output cannot be written or the reader leaves; failures are
then reported on stderr. If the reader only stops reading, the run waits after 1,000 lines.
"
    };
}

macro_rules! environment {
    () => {
        "\
Environment:
  TOS_ACCESS_KEY, TOS_SECRET_KEY   the keys to sign with (there are no flags for them)
  TOS_SECURITY_TOKEN               the token that temporary keys come with
  TOS_ENDPOINT, TOS_REGION         as --endpoint and --region
  TOS_PROXY                        as --proxy: the place for a proxy's password
  TOS_SSEC_KEY                     key of objects encrypted with their owner's key (SSE-C),
                                   base64; --ssec-key-file goes before it
  NO_COLOR                         no colours
"
    };
}

macro_rules! exit_codes {
    () => {
        "\
Exit codes:
  0    done
  1    failed (network, disk, overloaded server, 408 and 429): the same command goes on where
       it stopped
  2    the command can't work as it was typed
  3    the server refused (any other 4xx, such as a token that has expired), a condition such
       as --if-match does not hold, or the object was replaced meanwhile
  4    what was downloaded is not the object (CRC64)
  5    another process is downloading to the same destination
  130  interrupted (SIGINT, SIGTERM, SIGHUP); the checkpoint is kept
  If standard output cannot be written (disk full), stderr says so and the exit code is 1
  instead of 0; a downloaded file stays. A reader that leaves early (| head) changes no code.
"
    };
}

macro_rules! destinations {
    () => {
        "\
Destination:
  FILE          to this file; missing directories are created
  DIR or DIR/   an existing directory, or a path that ends in a slash: to DIR/KEY
  (none)        to the last segment of the key, in the current directory
  From a URL, DIR and (none) mean: to the last segment of its path, decoded.

Going on:
  An interrupted download leaves its partial data and a journal beside the destination,
  hidden. The same command again fetches only what is missing, also with another
  --part-size or --task-num. The destination itself shows the whole object or what it
  showed before, never anything in between.

  --recheck says when the data of an earlier run is read back before it is believed:
    auto     unless that run ended in order and nothing has touched the data since
    always   each time; and the whole once more at the end, from the disk
    never    not at all; damage is then noticed only where the CRC64 of the whole differs

URLs:
  A presigned or public URL goes out as it is, in quotes since a shell ends a word at &.
  Endpoint and keys are not used. When it expires, the same command with a new URL of the
  same object goes on. Nothing shows its query, but `ps` shows a command line.

Credentials:
  TOS_ACCESS_KEY, TOS_SECRET_KEY and, for temporary keys, TOS_SECURITY_TOKEN in the
  environment; or --anonymous
"
    };
}
