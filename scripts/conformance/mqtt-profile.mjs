/**
 * The servers that the MQTT suites are run at, and the profile they run with: what the tests take for granted of
 * a broker's settings. mosquitto's tests compare bytes, so what CONNACK says of the server must be what
 * mosquitto's defaults say, and who is refused is told no more than there; one of Paho's wants a filter that nobody
 * may subscribe to, and a keep alive of 60 s.
 */
import * as fs from 'node:fs'
import * as path from 'node:path'

/** Petiole's side of the profile. */
const PETIOLE = (port, folder) => `
listen: "127.0.0.1:-1"
jetstream { store_dir: "${folder}/store" }
mqtt {
  listen: "127.0.0.1:${port}"
  topic_alias_maximum: 10
  receive_maximum: 20
  max_packet_size: 256MB
  max_keepalive: 60s
  reveal_reasons: false
}
authorization {
  users: [ { user: any, password: any, permissions: { subscribe: { deny: ["test.nosubscribe"] } } } ]
}
no_auth_user: any
`

/** The same of mosquitto, for Paho's tests; its own start it with its defaults. */
const PEER = (port, acl) => `
listener ${port} 127.0.0.1
allow_anonymous true
max_keepalive 60
acl_file ${acl}
`
const PEER_ACL = `
topic deny test/nosubscribe
topic readwrite #
topic readwrite $SYS/#
`

/**
 * A server: `file` is what starts it with `-p PORT`, as mosquitto's tests do, its data in $TMPDIR;
 * `argumentsFor` makes the arguments that give it the profile at a port.
 */
export function petioleServer(scratch, root) {
  const cli = path.join(root, 'dist', 'cli.js')
  if (!fs.existsSync(cli)) throw new Error(`${cli} is not there: run npm run build`)
  const file = path.join(scratch, 'petiole')
  executable(
    file,
    `port=1888
while [ $# -gt 0 ]; do
  case "$1" in -p) port=$2; shift ;; esac
  shift
done
folder=$(mktemp -d "\${TMPDIR:-/tmp}/petiole.XXXXXX")
cat > "$folder/server.conf" <<END
${PETIOLE('$port', '$folder')}
END
exec ${quoted(process.execPath)} ${quoted(cli)} hub -c "$folder/server.conf"`,
  )
  return { title: `Petiole in ${root}`, file, argumentsFor: (port) => ['-p', `${port}`] }
}

export function peerServer(scratch, binary) {
  if (!fs.existsSync(binary)) throw new Error(`${binary} is not there: run node scripts/peers.mjs`)
  const file = path.join(scratch, 'peer')
  executable(file, `exec ${quoted(binary)} "$@"`)
  const acl = path.join(scratch, 'acl')
  fs.writeFileSync(acl, PEER_ACL)
  const argumentsFor = (port) => {
    const configuration = path.join(scratch, `${port}.conf`)
    fs.writeFileSync(configuration, PEER(port, acl))
    return ['-c', configuration]
  }
  return { title: binary, file, argumentsFor }
}

function executable(file, body) {
  fs.writeFileSync(file, `#!/bin/sh\n${body}\n`, { mode: 0o755 })
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`
}
