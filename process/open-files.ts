import { readFileSync } from 'node:fs'
import type { CoreConfig } from '../shared/config/index.ts'

/** For files of the store, links and listeners. */
const OTHER_FILES = 256

/**
 * How many files, connections among them, the system lets this process have open; undefined: it does not say, or sets
 * no bound. That is the soft limit: at its start Node.js has raised it to the hard one.
 *
 * @param limits as Linux has them in /proc/self/limits
 */
export function openFilesMax(limits = limitsOfProcess()): number | undefined {
  const soft = /^Max open files +(\d+)/m.exec(limits)?.[1]
  return soft === undefined ? undefined : Number(soft)
}

/** What to say at the start of connections that are allowed and will be refused by the system; undefined: nothing. */
export function openFilesWarning(
  { max_connections, mqtt }: Pick<CoreConfig, 'max_connections' | 'mqtt'>,
  max = openFilesMax(),
): string | undefined {
  const connections = max_connections + (mqtt?.max_connections ?? 0)
  const needed = connections + OTHER_FILES
  if (max === undefined || max >= needed) return undefined
  return (
    `the system lets this process open ${max} files, and ${connections} connections that max_connections allows ` +
    `need ${needed}: raise its limit (LimitNOFILE= of systemd, ulimit -n, --ulimit nofile= of docker) or lower max_connections`
  )
}

/** '' where there is no such file. */
function limitsOfProcess(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8')
  } catch {
    return ''
  }
}
