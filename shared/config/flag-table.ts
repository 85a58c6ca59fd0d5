/** nats-server's command line flags, and a few of our own. Source: nats-server's main.go, server/opts.go. */
import type { Role } from './config.ts'

export interface Flag {
  readonly names: readonly string[]
  /** What the value is called in the help; '' for a switch. */
  readonly value: string
  readonly help: string
  /** Keys to set, as paths. A switch sets them to true. */
  readonly keys: readonly string[]
  readonly roles?: Role
}

function flag(names: string, value: string, help: string, keys: string, roles?: Role): Flag {
  const split = (text: string): string[] => text.split(' ')
  const base = { names: split(names), value, help, keys: split(keys) }
  return roles === undefined ? base : { ...base, roles }
}

export const FLAGS: readonly Flag[] = [
  flag('a addr net', 'HOST', 'listen on this address', 'host'),
  flag('p port', 'PORT', 'port for clients, -1 for any', 'port'),
  flag('n name server_name', 'NAME', 'name of this server', 'server_name'),
  flag('P pid', 'FILE', 'write the process id here', 'pid_file'),
  flag(
    'ports_file_dir',
    'DIR',
    'write the ports that were taken into this folder',
    'ports_file_dir',
  ),
  flag('m http_port', 'PORT', 'port for monitoring over HTTP', 'http_port'),
  flag('ms https_port', 'PORT', 'port for monitoring over HTTPS', 'https_port'),
  flag('http_base_path', 'PATH', 'in front of every monitoring path', 'http_base_path'),
  flag('client_advertise', 'ADDRESS', 'host:port that clients are told to use', 'client_advertise'),
  flag('l log log_file', 'FILE', 'log to a file', 'log_file'),
  flag('log_size_limit', 'BYTES', 'set the log file aside when it is larger', 'logfile_size_limit'),
  flag('T logtime', '', 'log with time stamps', 'logtime'),
  flag('logtime_utc', '', 'time stamps in UTC, not local time', 'logtime_utc'),
  flag('D debug', '', 'log debugging output', 'debug'),
  flag('V trace VV', '', 'log the protocol', 'trace'),
  flag('DV DVV', '', 'log both', 'debug trace'),
  flag('js jetstream', '', 'turn JetStream on', 'jetstream.enabled'),
  flag('sd store_dir store-dir', 'DIR', 'store directory', 'jetstream.store_dir'),
  flag('user', 'USER', 'user that clients need', 'authorization.user'),
  flag('pass', 'PASSWORD', 'password that clients need', 'authorization.password'),
  flag('auth', 'TOKEN', 'token that clients need', 'authorization.token'),
  flag('tls', '', 'TLS, with --tlscert and --tlskey; --tls=false turns it off', 'tls'),
  flag('tlsverify', '', 'TLS, and clients show certificates', 'tls.verify'),
  flag('tlscert', 'FILE', 'certificate of the server', 'tls.cert_file'),
  flag('tlskey', 'FILE', 'its private key', 'tls.key_file'),
  flag('tlscacert', 'FILE', 'authority that vouches for clients', 'tls.ca_file'),
  flag('cluster cluster_listen', 'URL', 'listen for hubs of this region here', 'cluster', 'hub'),
  flag('cluster_name', 'NAME', 'name of the cluster', 'cluster.name', 'hub'),
  flag('cluster_advertise', 'ADDRESS', 'host:port that hubs are told', 'cluster.advertise', 'hub'),
  flag('routes', 'URLS', 'hubs of this region to dial', 'cluster.routes', 'hub'),
  flag('no_advertise', '', 'do not tell clients of other hubs', 'cluster.no_advertise', 'hub'),
  flag(
    'connect_retries',
    'COUNT',
    'dials of a hub that others told of',
    'cluster.connect_retries',
    'hub',
  ),
  flag('hub', 'URL', 'hub that this leaf dials', 'leafnodes.remotes', 'leaf'),
  flag('mqtt-port mqtt_port', 'PORT', 'port for MQTT', 'mqtt.port'),
]

const SYSLOG = 'the log goes to a file (-l) or to standard error, where systemd picks it up'

/** What nats-server has and this server has not: why, and whether it takes a value. */
export const REFUSED_FLAGS: Readonly<Record<string, { takesValue: boolean; reason: string }>> = {
  s: { takesValue: false, reason: SYSLOG },
  syslog: { takesValue: false, reason: SYSLOG },
  r: { takesValue: true, reason: SYSLOG },
  remote_syslog: { takesValue: true, reason: SYSLOG },
}

/** Flags of nats-server that may be given without harm, and without effect; all take a value. */
export const INERT_FLAGS: readonly string[] = ['max_traced_msg_len', 'profile']

export type Wish = 'run' | 'check' | 'help' | 'version' | 'signal'

export const WISHES: Readonly<Record<string, Wish>> = {
  t: 'check',
  h: 'help',
  help: 'help',
  help_tls: 'help',
  v: 'version',
  version: 'version',
}
