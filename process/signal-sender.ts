import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { codeOf, messageOf, PetioleError } from '../shared/runtime/index.ts'

/** What `--signal` may ask of a running server. Source: nats-server's server/signal.go. */
const SIGNALS: Readonly<Record<string, NodeJS.Signals>> = {
  stop: 'SIGKILL',
  quit: 'SIGINT',
  term: 'SIGTERM',
  reopen: 'SIGUSR1',
  reload: 'SIGHUP',
  ldm: 'SIGUSR2',
}

export interface Processes {
  /** Ids of all processes with this name but our own. */
  find(name: string): readonly number[]
  /** Throws what the system says. */
  signal(pid: number, signal: NodeJS.Signals): void
  /** undefined when there is no such file. */
  readFile(path: string): string | undefined
}

/**
 * `COMMAND`, `COMMAND=PID`, `COMMAND=FILE` with a process id in it, or `COMMAND=12*` for all whose ids begin
 * with 12. Without an id the only server of this name is meant. Throws PETIOLE_BAD_SIGNAL.
 */
export function sendSignal(asked: string, name: string, processes: Processes = SYSTEM): void {
  const [command = '', expression = '', ...more] = asked.split('=')
  if (more.length > 0) fail(`invalid signal parameters: [${more.join(' ')}]`)
  const target = (processes.readFile(expression) ?? expression).trim()
  const isPattern = target.endsWith('*')
  const prefix = isPattern ? target.slice(0, -1) : target
  if (prefix !== '' && !/^[0-9]+$/.test(prefix)) fail(`invalid pid: ${prefix}`)
  const pids = prefix === '' || isPattern ? processes.find(name) : [Number(prefix)]
  if (pids.length > 1 && !isPattern) {
    fail(`multiple ${name} processes running:\n${pids.join('\n')}`)
  }
  if (pids.length === 0) fail(`no ${name} processes running`)
  const signal = Object.hasOwn(SIGNALS, command) ? SIGNALS[command] : undefined
  if (signal === undefined) fail(`unknown signal "${command}"`)
  const faults = pids
    .filter((pid) => String(pid).startsWith(prefix))
    .flatMap((pid) => attempt(processes, command, pid, signal))
  if (faults.length > 0) fail(faults.join(''))
}

function attempt(
  processes: Processes,
  command: string,
  pid: number,
  signal: NodeJS.Signals,
): string[] {
  try {
    processes.signal(pid, signal)
    return []
  } catch (error) {
    const reasons: Readonly<Record<string, string>> = {
      ESRCH: 'no such process',
      EPERM: 'operation not permitted',
    }
    return [`\nsignal "${command}" ${pid}: ${reasons[codeOf(error)] ?? messageOf(error)}`]
  }
}

function fail(message: string): never {
  throw new PetioleError('PETIOLE_BAD_SIGNAL', message)
}

const SYSTEM: Processes = {
  find: (name) => {
    try {
      const found = execFileSync('pgrep', [name], { encoding: 'utf8' })
      return found
        .split('\n')
        .filter((line) => line !== '')
        .map(Number)
        .filter((pid) => pid !== process.pid)
    } catch (error) {
      // Its exit code says that there is none.
      if (Object(error).status === 1) return []
      return fail('unable to resolve pid, try providing one')
    }
  },
  signal: (pid, signal) => {
    process.kill(pid, signal)
  },
  readFile: (path) => {
    try {
      return path === '' ? undefined : readFileSync(path, 'utf8')
    } catch {
      return undefined
    }
  },
}
