import { PetioleError } from '../runtime/index.ts'

/** Where a value was written. Line 0: it has no line (the command line, an object). */
export interface Position {
  readonly file: string
  readonly line: number
}

/** One thing that is wrong, or looks wrong, in a configuration. */
export interface Problem {
  /** undefined for a configuration that was given as an object. */
  readonly position: Position | undefined
  /** The key's path, `mqtt.port` or `leafnodes.remotes[0].url`; '' for the file as a whole. */
  readonly path: string
  readonly message: string
}

/** `leaf.conf:12: mqtt.prot: unknown key, did you mean "port"?` */
export function formatProblem(problem: Problem): string {
  const { position, path, message } = problem
  const where = position === undefined ? '' : `${placeOf(position)}: `
  return `${where}${path === '' ? '' : `${path}: `}${message}`
}

export function placeOf(position: Position): string {
  return position.line === 0 ? position.file : `${position.file}:${position.line}`
}

/** Thrown with everything that is wrong, one problem per line of its message. */
export class ConfigError extends PetioleError {
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[]) {
    super('PETIOLE_CONFIG_INVALID', problems.map(formatProblem).join('\n'))
    this.name = 'ConfigError'
    this.problems = problems
  }
}
