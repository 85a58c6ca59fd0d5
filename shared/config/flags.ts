/**
 * nats-server's command line: Go's flags, so `-name value`, `--name value`, `-name=value`, and switches that
 * take no value. Each sets one key of the configuration and comes before what a file says.
 */
import { PetioleError } from '../runtime/index.ts'
import type { ConfigInput, Role } from './config.ts'
import { FLAGS, type Flag, INERT_FLAGS, REFUSED_FLAGS, WISHES, type Wish } from './flag-table.ts'
import { nearest } from './suggestion.ts'

/** What a command line asks for. */
export interface FlagReading {
  /** `check` is `-t`: look at the configuration and exit. */
  readonly wants: Wish
  /** `-c FILE`; undefined when not given. */
  readonly configFile: string | undefined
  /** `--signal COMMAND[=PID]`, as given; '' when not. */
  readonly signal: string
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
    ['-sl, --signal COMMAND[=PID]', 'tell a running server: reload, reopen, ldm, quit, term, stop'],
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
  /** Set by a flag, `false` when `--tls=false` said so last. */
  #tls: boolean | undefined
  #configFile: string | undefined
  #signal = ''
  #wants: Wish = 'run'
  #at = 0

  constructor(args: readonly string[], role: Role) {
    this.#args = args
    this.#role = role
  }

  read(): FlagReading {
    while (this.#at < this.#args.length) this.#argument(this.#args[this.#at++] ?? '')
    this.#settleTls()
    if (this.#wants === 'check' && this.#configFile === undefined) {
      this.#problems.push('-t checks a configuration file: name it with -c FILE')
    }
    if (this.#wants !== 'help' && this.#wants !== 'version' && this.#problems.length > 0) {
      throw new PetioleError('PETIOLE_BAD_FLAGS', this.#problems.join('\n'))
    }
    return {
      wants: this.#wants,
      configFile: this.#configFile,
      signal: this.#signal,
      overrides: this.#overrides,
      warnings: this.#warnings,
    }
  }

  #argument(argument: string): void {
    const match = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(argument)
    const name = match?.[1]
    if (name === undefined) {
      this.#word(argument)
      return
    }
    const given = match?.[2]
    const flag = FLAGS.find((known) => known.names.includes(name))
    const wants = Object.hasOwn(WISHES, name) ? WISHES[name] : undefined
    if (wants !== undefined) this.#wish(wants, given)
    else if (name === 'c' || name === 'config') this.#configFile = this.#value(argument, given)
    else if (name === 'sl' || name === 'signal') this.#askToSignal(argument, given)
    else if (Object.hasOwn(REFUSED_FLAGS, name)) this.#refuse(name, given)
    else if (INERT_FLAGS.includes(name)) {
      if (given === undefined) this.#at++
      this.#warnings.push(`-${name} has no effect here`)
    } else if (flag === undefined) this.#unknown(name)
    else this.#apply(flag, argument, given)
  }

  /** nats-server knows `help` and `version` without a dash, too. */
  #word(argument: string): void {
    if (argument === 'help' || argument === 'version') this.#wish(argument, undefined)
    else this.#problems.push(`unexpected argument "${argument}"`)
  }

  /** The first of `help`, `version` and `signal` counts, before a check. */
  #wish(wants: Wish, given: string | undefined): void {
    if (given !== undefined && !switchedOn(given)) return
    if (this.#wants === 'run' || this.#wants === 'check') this.#wants = wants
  }

  #askToSignal(argument: string, given: string | undefined): void {
    this.#signal = this.#value(argument, given) ?? ''
    this.#wish('signal', undefined)
  }

  #refuse(name: string, given: string | undefined): void {
    const { takesValue, reason } = REFUSED_FLAGS[name] ?? { takesValue: false, reason: '' }
    if (takesValue && given === undefined) this.#at++
    if (given === undefined || switchedOn(given)) {
      this.#problems.push(`-${name} is not supported, because ${reason}`)
    }
  }

  #apply(flag: Flag, argument: string, given: string | undefined): void {
    const name = `-${flag.names[0]}`
    if (flag.roles !== undefined && flag.roles !== this.#role) {
      this.#problems.push(`${name} is for a ${flag.roles} only`)
      if (given === undefined && flag.value !== '') this.#at++
      return
    }
    if (flag.value === '') {
      this.#switch(flag, given)
      return
    }
    const value = this.#value(argument, given)
    if (value === undefined) return
    const [key = ''] = flag.keys
    if (key.startsWith('tls.')) this.#tls ??= true
    if (key === 'cluster') this.#cluster(value)
    else this.#set(key, this.#typed(flag, value))
  }

  #switch(flag: Flag, given: string | undefined): void {
    const isOn = given === undefined || switchedOn(given)
    const [key = ''] = flag.keys
    if (key === 'tls') {
      this.#tls = isOn
      return
    }
    if (key === 'tls.verify') this.#tls ??= true
    for (const each of flag.keys) this.#set(each, isOn)
  }

  /** Flags make a TLS of their own; `null` takes the file's away. */
  #settleTls(): void {
    if (this.#tls === undefined) return
    if (!this.#tls) {
      this.#overrides['tls'] = null
      return
    }
    const own = (this.#overrides['tls'] ?? {}) as Record<string, unknown>
    if (own['cert_file'] === undefined) {
      this.#problems.push('TLS Server certificate must be present and valid: --tlscert FILE')
    }
    if (own['key_file'] === undefined) {
      this.#problems.push('TLS Server private key must be present and valid: --tlskey FILE')
    }
    this.#overrides['tls'] = { verify: false, ca_file: '', certs: [], ...own }
  }

  /** `nats://user:password@host:port`; '' takes the file's cluster away. */
  #cluster(text: string): void {
    if (text === '') {
      this.#overrides['cluster'] = null
      return
    }
    const match = /^(?:[a-z_-]+:\/\/)?(?:([^:@/]*):([^@/]*)@)?(.*):(-?\d+)\/?$/i.exec(text)
    const [, user, password, host = '', port = ''] = match ?? []
    if (match === null) {
      this.#problems.push(
        `--cluster ${text.replace(/\/\/.*@/, '//…@')} is no address: nats://host:port`,
      )
      return
    }
    this.#set('cluster.port', Number(port))
    this.#set('cluster.host', host.replace(/^\[(.*)\]$/, '$1') || '0.0.0.0')
    const login = { user: decoded(user), password: decoded(password) }
    this.#set('cluster.authorization', user === undefined ? null : login)
  }

  #typed(flag: Flag, value: string): unknown {
    if (flag.value === 'URL') return [{ url: value.split(',') }]
    if (flag.value === 'URLS') return value.split(',').map((url) => url.trim())
    // What is no number is passed on as it is: the schema says what it must be.
    const isNumber = ['PORT', 'COUNT', 'BYTES'].includes(flag.value) && /^-?\d+$/.test(value)
    return isNumber ? Number(value) : value
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

function switchedOn(given: string): boolean {
  return !/^(0|f|false)$/i.test(given)
}

function decoded(part = ''): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

function usage(flag: Flag): string {
  const names = flag.names.map((name) => (name.length <= 2 ? `-${name}` : `--${name}`))
  return `${names.join(', ')}${flag.value === '' ? '' : ` ${flag.value}`}`
}
