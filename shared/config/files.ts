import { codeOf, type Disk, messageOf } from '../runtime/index.ts'
import { FILE_BYTES_MAX, INCLUDE_DEPTH_MAX, INCLUDED_FILES_MAX } from './limits.ts'
import { parseText } from './parser.ts'
import { ConfigError, type Position, type Problem } from './problem.ts'
import { type Environment, includedPath, type Resolved, resolve } from './resolve.ts'
import type { WrittenBlock, WrittenNode } from './tree.ts'

/** Reads a configuration file and all that it includes. Problems are returned, never thrown. */
export async function readTree(
  disk: Disk,
  path: string,
  environment: Environment,
): Promise<Resolved> {
  const reader = new FileReader(disk)
  await reader.read(path, undefined, [])
  const { tree, problems, warnings } = resolve(path, reader.files, environment)
  return { tree, problems: [...reader.problems, ...problems], warnings }
}

class FileReader {
  readonly files = new Map<string, WrittenBlock>()
  readonly problems: Problem[] = []
  readonly #disk: Disk

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /** @param above the files whose includes led here, outermost first */
  async read(path: string, from: Position | undefined, above: readonly string[]): Promise<void> {
    const position = from ?? { file: path, line: 0 }
    if (above.includes(path)) return this.#fail(position, `${path} includes itself`)
    if (this.files.has(path)) return
    if (above.length > INCLUDE_DEPTH_MAX || this.files.size > INCLUDED_FILES_MAX) {
      return this.#fail(position, `too many includes at ${path}`)
    }
    const block = await this.#parse(path, position)
    if (block === undefined) return
    this.files.set(path, block)
    for (const include of includesIn(block)) {
      const inner = includedPath(path, include.path)
      await this.read(inner, include.position, [...above, path])
    }
  }

  async #parse(path: string, position: Position): Promise<WrittenBlock | undefined> {
    try {
      const bytes = await this.#disk.readFile(path)
      if (bytes.length > FILE_BYTES_MAX) {
        return this.#fail(position, `${path} is larger than ${FILE_BYTES_MAX} bytes`)
      }
      return parseText(new TextDecoder().decode(bytes), path)
    } catch (error) {
      if (error instanceof ConfigError) this.problems.push(...error.problems)
      else this.#fail(position, `cannot read ${path}: ${reasonOf(error)}`)
      return undefined
    }
  }

  #fail(position: Position, message: string): undefined {
    this.problems.push({ position, path: '', message })
  }
}

export function reasonOf(error: unknown): string {
  switch (codeOf(error)) {
    case 'ENOENT':
      return 'there is no such file'
    case 'EACCES':
      return 'permission denied'
    case 'EISDIR':
      return 'it is a directory'
    default:
      return messageOf(error)
  }
}

function* includesIn(
  node: WrittenNode,
): Generator<{ readonly path: string; readonly position: Position }> {
  if (node.kind === 'list') for (const item of node.items) yield* includesIn(item)
  if (node.kind !== 'block') return
  for (const statement of node.statements) {
    if (statement.kind === 'include') yield statement
    else yield* includesIn(statement.value)
  }
}
