/**
 * nats-server's command line: Go's flags, so `-name value`, `--name value`, `-name=value`, and switches that
 * take no value. Each sets one key of the configuration and comes before what a file says.
 */
import { PetioleError } from '../runtime/index.ts'
import type { ConfigInput, Role } from './config.ts'
import { nearest } from './suggestion.ts'

interface Flag {
  readonly names: readonly string[]
  /** What the value is called in the help; '' for a switch. */
  readonly value: string
  readonly help: string
  /** Keys to set, as paths. A switch sets them to true. */
  readonly keys: readonly string[]
  readonly roles?: Role
}

const FLAGS: readonly Flag[] = [
  { names: ['a', 'addr', 'net'], value: 'HOST', help: 'listen on this address', keys: ['host'] },
  { names: ['p', 'port'], value: 'PORT', help: 'port for clients, -1 for any', keys: ['port'] },
  {
    names: ['n', 'name', 'server_name'],
    value: 'NAME',
    help: 'name of this server',
    keys: ['server_name'],
  },
  { names: ['P', 'pid'], value: 'FILE', help: 'write the process id here', keys: ['pid_file'] },
  {
    names: ['m', 'http_port'],
    value: 'PORT',
    help: 'port for monitoring over HTTP',
    keys: ['http_port'],
  },
  {
    names: ['client_advertise'],
    value: 'ADDRESS',
    help: 'host:port that clients are told to use',
    keys: ['client_advertise'],
  },
  { names: ['l', 'log', 'log_file'], value: 'FILE', help: 'log to a file', keys: ['log_file'] },
  { names: ['T', 'logtime'], value: '', help: 'log with time stamps', keys: ['logtime'] },
  { names: ['D', 'debug'], value: '', help: 'log debugging output', keys: ['debug'] },
  { names: ['V', 'trace', 'VV'], value: '', help: 'log the protocol', keys: ['trace'] },
  { names: ['DV', 'DVV'], value: '', help: 'log both', keys: ['debug', 'trace'] },
  {
    names: ['js', 'jetstream'],
    value: '',
    help: 'turn JetStream on',
    keys: ['jetstream.enabled'],
  },
  {
    names: ['sd', 'store_dir', 'store-dir'],
    value: 'DIR',
    help: 'store directory',
    keys: ['jetstream.store_dir'],
  },
  { names: ['user'], value: 'USER', help: 'user that clients need', keys: ['authorization.user'] },
  {
    names: ['pass'],
    value: 'PASSWORD',
    help: 'password that clients need',
    keys: ['authorization.password'],
  },
  {
    names: ['auth'],
    value: 'TOKEN',
    help: 'token that clients need',
    keys: ['authorization.token'],
  },
  {
    names: ['hub'],
    value: 'URL',
    help: 'hub that this leaf dials',
    keys: ['leafnodes.remotes'],
    roles: 'leaf',
  },
  {
    names: ['mqtt-port', 'mqtt_port'],
    value: 'PORT',
    help: 'port for MQTT',
    keys: ['mqtt.port'],
  },
]

/** Flags of nats-server for what is not supported yet, and whether they take a value. */
const UNSUPPORTED: Readonly<Record<string, boolean>> = {
  ms: true,
  https_port: true,
  sl: true,
  signal: true,
  ports_file_dir: true,
  s: false,
  syslog: false,
  r: true,
  remote_syslog: true,
  tls: false,
  tlsverify: false,
  tlscert: true,
  tlskey: true,
  tlscacert: true,
  routes: true,
  cluster: true,
  cluster_name: true,
  cluster_listen: true,
  cluster_advertise: true,
  no_advertise: false,
  connect_retries: true,
}

/** Flags of nats-server that may be given without harm, and without effect. */
const INERT: Readonly<Record<string, boolean>> = {
  logtime_utc: false,
  log_size_limit: true,
  max_traced_msg_len: true,
  profile: true,
}

const WANTS: Readonly<Record<string, FlagReading['wants']>> = {
  t: 'check',
  h: 'help',
  help: 'help',
  v: 'version',
  version: 'version',
}

/** What a command line asks for. */
export interface FlagReading {
  /** `check` is `-t`: look at the configuration and exit. */
  readonly wants: 'run' | 'check' | 'help' | 'version'
  /** `-c FILE`; undefined when not given. */
  readonly configFile: string | undefined
  /** For `loadConfig`. */
  readonly overrides: ConfigInput
  readonly warnings: readonly string[]
}

/**
 * Reads the arguments behind `petiole hub` or `petiole leaf`. Throws PETIOLE_BAD_FLAGS with all that is
 * wrong, one flag per line.
 */
export function flagsToOverrides(args: readonly string[], role: Role): FlagReading {
  return new FlagReader(args, role).read()
}

/** The flags of a role, one line each. */
export function flagsHelp(role: Role): string {
  const own = FLAGS.filter((flag) => flag.roles === undefined || flag.roles === role)
  const rows: [string, string][] = [
    ['-c, --config FILE', 'configuration file'],
    ['-t', 'check the configuration and exit'],
    ...own.map((flag): [string, string] => [usage(flag), flag.help]),
    ['-v, --version', 'show the version'],
    ['-h, --help', 'show this'],
  ]
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n')
}

class FlagReader {
  readonly #args: readonly string[]
  readonly #role: Role
  readonly #overrides: Record<string, unknown> = {}
  readonly #problems: string[] = []
  readonly #warnings: string[] = []
  #configFile: string | undefined
  #wants: FlagReading['wants'] = 'run'
  #at = 0

  constructor(args: readonly string[], role: Role) {
    this.#args = args
    this.#role = role
  }

  read(): FlagReading {
    while (this.#at < this.#args.length) this.#argument(this.#args[this.#at++] ?? '')
    if (this.#wants !== 'help' && this.#problems.length > 0) {
      throw new PetioleError('PETIOLE_BAD_FLAGS', this.#problems.join('\n'))
    }
    return {
      wants: this.#wants,
      configFile: this.#configFile,
      overrides: this.#overrides,
      warnings: this.#warnings,
    }
  }

  #argument(argument: string): void {
    const match = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(argument)
    const name = match?.[1]
    if (name === undefined) {
      this.#problems.push(`unexpected argument "${argument}"`)
      return
    }
    const given = match?.[2]
    const flag = FLAGS.find((known) => known.names.includes(name))
    const wants = Object.hasOwn(WANTS, name) ? WANTS[name] : undefined
    if (wants !== undefined) this.#wants = this.#wants === 'help' ? 'help' : wants
    else if (name === 'c' || name === 'config') this.#configFile = this.#value(argument, given)
    else if (Object.hasOwn(UNSUPPORTED, name)) {
      if (UNSUPPORTED[name] === true && given === undefined) this.#at++
      if (given !== 'false') this.#problems.push(`-${name} is not supported yet: remove it`)
    } else if (Object.hasOwn(INERT, name)) {
      if (INERT[name] === true && given === undefined) this.#at++
      this.#warnings.push(`-${name} has no effect here`)
    } else if (flag === undefined) this.#unknown(name)
    else this.#apply(flag, argument, given)
  }

  #apply(flag: Flag, argument: string, given: string | undefined): void {
    const name = `-${flag.names[0]}`
    if (flag.roles !== undefined && flag.roles !== this.#role) {
      this.#problems.push(`${name} is for a ${flag.roles} only`)
      if (given === undefined) this.#at++
      return
    }
    if (flag.value === '') {
      const isOn = given === undefined || !/^(0|f|false)$/i.test(given)
      for (const key of flag.keys) this.#set(key, isOn)
      return
    }
    const value = this.#value(argument, given)
    if (value === undefined) return
    for (const key of flag.keys) this.#set(key, this.#typed(flag, value))
  }

  #typed(flag: Flag, value: string): unknown {
    if (flag.value === 'URL') return [{ url: value.split(',') }]
    // A port that is no number is passed on as it is: the schema says what it must be.
    return flag.value === 'PORT' && /^-?\d+$/.test(value) ? Number(value) : value
  }

  /** The flag's value: behind its `=`, or the next argument. */
  #value(argument: string, given: string | undefined): string | undefined {
    const value = given ?? this.#args[this.#at++]
    if (value === undefined) this.#problems.push(`${argument} needs a value`)
    return value
  }

  #set(path: string, value: unknown): void {
    const keys = path.split('.')
    const last = keys.pop() ?? ''
    let block = this.#overrides
    for (const key of keys) {
      const inner = (block[key] ?? {}) as Record<string, unknown>
      block[key] = inner
      block = inner
    }
    block[last] = value
  }

  #unknown(name: string): void {
    const long = FLAGS.flatMap((flag) => flag.names).filter((known) => known.length > 2)
    const near = nearest(name, long)
    const hint = near === undefined ? '' : `, did you mean --${near}?`
    this.#problems.push(`unknown flag -${name}${hint}`)
  }
}

function usage(flag: Flag): string {
  const names = flag.names.map((name) => (name.length <= 2 ? `-${name}` : `--${name}`))
  return `${names.join(', ')}${flag.value === '' ? '' : ` ${flag.value}`}`
}
