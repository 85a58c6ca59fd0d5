/**
 * From what is written to what is meant: includes are put in place, variables take their values, and
 * of a key that is written twice the last counts.
 *
 * `$NAME` is the value of an earlier key NAME of the block it stands in, of the blocks around that, and
 * last of the environment, whose text is read as if it stood in the file. An included file sees its own
 * keys and the environment only. Source for these rules: nats-server's conf/parse.go.
 */
import * as path from 'node:path'
import { INCLUDED_FILES_MAX } from './limits.ts'
import { parseValue } from './parser.ts'
import { ConfigError, type Position, type Problem, placeOf } from './problem.ts'
import type { BlockNode, ConfigEntry, ConfigNode, WrittenBlock, WrittenNode } from './tree.ts'

export type Environment = Readonly<Record<string, string | undefined>>

export interface Resolved {
  readonly tree: BlockNode
  readonly problems: readonly Problem[]
  readonly warnings: readonly Problem[]
}

/**
 * @param file the path of the first file
 * @param files every file that takes part, by path; an include of one that is absent is a problem
 *   that was reported when it could not be read
 */
export function resolve(
  file: string,
  files: ReadonlyMap<string, WrittenBlock>,
  environment: Environment,
): Resolved {
  return new Resolver(files, environment).resolve(file)
}

/** The path that an `include` in `file` means. */
export function includedPath(file: string, written: string): string {
  return path.isAbsolute(written) ? written : path.join(path.dirname(file), written)
}

class Entry implements ConfigEntry {
  readonly key: string
  readonly value: ConfigNode
  readonly position: Position | undefined
  isVariable = false

  constructor(key: string, value: ConfigNode, position: Position | undefined) {
    this.key = key
    this.value = value
    this.position = position
  }
}

type Scope = Map<string, Entry>

class Resolver {
  readonly #files: ReadonlyMap<string, WrittenBlock>
  readonly #environment: Environment
  readonly #problems: Problem[] = []
  readonly #warnings: Problem[] = []
  /** Variables of the environment that are being read: one must not need itself. */
  readonly #reading = new Map<string, Position>()
  /** Files that are being included, outermost first. */
  readonly #including = new Set<string>()
  #includes = 0

  constructor(files: ReadonlyMap<string, WrittenBlock>, environment: Environment) {
    this.#files = files
    this.#environment = environment
  }

  resolve(file: string): Resolved {
    const scope: Scope = new Map()
    this.#including.add(file)
    this.#fill(scope, this.#files.get(file), file, [scope])
    if (this.#includes > INCLUDED_FILES_MAX) {
      this.#fail({ file, line: 0 }, `more than ${INCLUDED_FILES_MAX} includes`)
    }
    const position = this.#files.get(file)?.position
    const tree: BlockNode = { kind: 'block', entries: [...scope.values()], position }
    return { tree, problems: this.#problems, warnings: this.#warnings }
  }

  /** Puts what `block` says into `scope`; `scopes` are what variables see, innermost last. */
  #fill(scope: Scope, block: WrittenBlock | undefined, file: string, scopes: Scope[]): void {
    for (const statement of block?.statements ?? []) {
      if (statement.kind === 'include') {
        this.#include(scope, includedPath(file, statement.path))
        continue
      }
      const value = this.#node(statement.value, file, scopes)
      if (value !== undefined) this.#set(scope, new Entry(statement.key, value, statement.position))
    }
  }

  #include(scope: Scope, file: string): void {
    // A circle was reported when the files were read; many copies of a few files are no circle.
    if (this.#including.has(file) || ++this.#includes > INCLUDED_FILES_MAX) return
    const included: Scope = new Map()
    this.#including.add(file)
    this.#fill(included, this.#files.get(file), file, [included])
    this.#including.delete(file)
    for (const entry of included.values()) this.#set(scope, entry)
  }

  #set(scope: Scope, entry: Entry): void {
    const earlier = scope.get(entry.key)
    if (earlier?.position !== undefined) {
      const where = placeOf(earlier.position)
      const message = `written before at ${where}: this one, the later, counts`
      this.#warnings.push({ position: entry.position, path: entry.key, message })
    }
    scope.set(entry.key, entry)
  }

  #node(written: WrittenNode, file: string, scopes: Scope[]): ConfigNode | undefined {
    switch (written.kind) {
      case 'variable':
        return this.#variable(written.name, written.position, scopes)
      case 'list': {
        const items = written.items
          .map((item) => this.#node(item, file, scopes))
          .filter((item) => item !== undefined)
        return { kind: 'list', items, position: written.position }
      }
      case 'block': {
        const scope: Scope = new Map()
        this.#fill(scope, written, file, [...scopes, scope])
        return { kind: 'block', entries: [...scope.values()], position: written.position }
      }
      default:
        return written
    }
  }

  #variable(name: string, position: Position, scopes: Scope[]): ConfigNode | undefined {
    for (let i = scopes.length - 1; i >= 0; i--) {
      const entry = scopes[i]?.get(name)
      if (entry === undefined) continue
      entry.isVariable = true
      return { ...entry.value, position }
    }
    const text = this.#environment[name]
    if (text === undefined) {
      return this.#fail(position, `$${name} is neither an earlier key nor set in the environment`)
    }
    if (this.#reading.has(name)) return this.#fail(position, `$${name} refers to itself`)
    this.#reading.set(name, position)
    try {
      const value = this.#node(parseValue(text, `$${name}`), '', [])
      return value === undefined ? undefined : { ...value, position }
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      // The text itself may be a secret: it is not shown.
      return this.#fail(
        position,
        `the environment's ${name} is no value: it may need quotes, ${name}='"…"'`,
      )
    } finally {
      this.#reading.delete(name)
    }
  }

  #fail(position: Position, message: string): undefined {
    const [outermost = position] = this.#reading.values()
    this.#problems.push({ position: outermost, path: '', message })
  }
}
