import type { Random } from '../../shared/runtime/index.ts'
import { type CutMode, FileContent } from './file-content.ts'
import { systemError } from './system-error.ts'

/**
 * A file system with a page cache. What programs see is the cache; what survives a power cut is what
 * was synced, plus whatever part of the rest the seed picks: POSIX promises no more. A file's bytes
 * become durable by `sync`, its name by `syncDirectory` of the directory that holds it.
 *
 * Every change is an operation that can be recorded and applied again to a fresh volume: this is how
 * a test cuts the power at any point of one recorded run.
 */
export type VolumeOperation =
  | { readonly type: 'create'; readonly path: string; readonly kind: 'file' | 'directory' }
  | { readonly type: 'rename'; readonly from: string; readonly to: string }
  | { readonly type: 'remove'; readonly path: string }
  | {
      readonly type: 'write'
      readonly file: number
      readonly at: number
      readonly bytes: Uint8Array
    }
  | { readonly type: 'truncate'; readonly file: number; readonly size: number }
  | { readonly type: 'sync'; readonly file: number; readonly changes: number }
  | {
      readonly type: 'syncRange'
      readonly file: number
      readonly at: number
      readonly bytes: Uint8Array
    }
  | { readonly type: 'failSync'; readonly file: number }
  | { readonly type: 'syncDirectory'; readonly path: string; readonly changes: number }

export interface FileNode {
  readonly kind: 'file'
  readonly id: number
  readonly content: FileContent
}

/** One name that changed: what it was bound to afterwards, undefined for nothing. */
type Binding = readonly [name: string, node: VolumeNode | undefined]

export class DirectoryNode {
  readonly kind = 'directory'
  names = new Map<string, VolumeNode>()
  durable = new Map<string, VolumeNode>()
  /** Changes that are not synced; each is atomic (a rename binds two names). */
  pending: (readonly Binding[])[] = []
  /** Changes ever made: a sync covers those made before it began. */
  changes = 0

  change(bindings: readonly Binding[]): void {
    this.pending.push(bindings)
    this.changes++
    bind(this.names, bindings)
  }

  sync(throughChange: number): void {
    const covered = this.pending.length - (this.changes - throughChange)
    for (const bindings of this.pending.splice(0, Math.max(0, covered)))
      bind(this.durable, bindings)
  }
}

export type VolumeNode = FileNode | DirectoryNode

export class SimVolume {
  readonly root = new DirectoryNode()
  readonly operations: VolumeOperation[] = []
  readonly #files = new Map<number, FileNode>()
  readonly #isRecording: boolean
  #lastFile = 0

  constructor(isRecording = false) {
    this.#isRecording = isRecording
  }

  apply(operation: VolumeOperation): void {
    if (this.#isRecording) this.operations.push(operation)
    switch (operation.type) {
      case 'create':
        this.#create(operation.path, operation.kind)
        break
      case 'rename':
        this.#rename(operation.from, operation.to)
        break
      case 'remove':
        this.#remove(operation.path)
        break
      case 'write':
        this.file(operation.file).content.write(operation.at, operation.bytes)
        break
      case 'truncate':
        this.file(operation.file).content.truncate(operation.size)
        break
      case 'sync':
        this.file(operation.file).content.sync(operation.changes)
        break
      case 'syncRange':
        this.file(operation.file).content.syncRange(operation.at, operation.bytes)
        break
      case 'failSync':
        this.file(operation.file).content.failSync()
        break
      case 'syncDirectory':
        this.directory(operation.path).sync(operation.changes)
        break
    }
  }

  find(path: string): VolumeNode | undefined {
    let node: VolumeNode = this.root
    for (const name of namesOf(path)) {
      const next: VolumeNode | undefined =
        node.kind === 'directory' ? node.names.get(name) : undefined
      if (next === undefined) return undefined
      node = next
    }
    return node
  }

  fileAt(path: string, call: string): FileNode {
    const node = this.find(path)
    if (node === undefined) throw systemError('ENOENT', call, path)
    if (node.kind === 'directory') throw systemError('EISDIR', call, path)
    return node
  }

  file(id: number): FileNode {
    return this.#files.get(id)!
  }

  directory(path: string): DirectoryNode {
    const node = this.find(path)
    if (node === undefined) throw systemError('ENOENT', 'open', path)
    if (node.kind !== 'directory') throw systemError('ENOTDIR', 'open', path)
    return node
  }

  /** Bytes in all files that have a name. */
  usedBytes(directory: DirectoryNode = this.root): number {
    let sum = 0
    for (const node of directory.names.values()) {
      sum += node.kind === 'file' ? node.content.size : this.usedBytes(node)
    }
    return sum
  }

  /** What is there when the power comes back: one of the states that the rules allow. */
  afterPowerCut(random: Random, isRecording = false): SimVolume {
    const survivor = new SimVolume(isRecording)
    survivor.#lastFile = this.#lastFile
    const mode = CUT_MODES[random.below(CUT_MODES.length)]!
    survivor.#adopt(this.root, survivor.root, mode, random)
    return survivor
  }

  /** A volume that has gone through `operations`. */
  static replay(operations: readonly VolumeOperation[]): SimVolume {
    const volume = new SimVolume()
    for (const operation of operations) volume.apply(operation)
    return volume
  }

  #create(path: string, kind: 'file' | 'directory'): void {
    const { directory, name } = this.#place(path)
    if (directory.names.has(name)) throw systemError('EEXIST', 'open', path)
    directory.change([[name, kind === 'file' ? this.#newFile() : new DirectoryNode()]])
  }

  #rename(from: string, to: string): void {
    const source = this.#place(from)
    const target = this.#place(to)
    const node = source.directory.names.get(source.name)
    if (node === undefined) throw systemError('ENOENT', 'rename', from)
    if (source.directory === target.directory) {
      source.directory.change([
        [source.name, undefined],
        [target.name, node],
      ])
      return
    }
    target.directory.change([[target.name, node]])
    source.directory.change([[source.name, undefined]])
  }

  #remove(path: string): void {
    const { directory, name } = this.#place(path)
    directory.change([[name, undefined]])
  }

  #newFile(content = new FileContent()): FileNode {
    const file: FileNode = { kind: 'file', id: ++this.#lastFile, content }
    this.#files.set(file.id, file)
    return file
  }

  #place(path: string): { directory: DirectoryNode; name: string } {
    const names = namesOf(path)
    const name = names.pop()
    if (name === undefined) throw systemError('EINVAL', 'open', path)
    return { directory: this.directory(names.join('/')), name }
  }

  #adopt(from: DirectoryNode, to: DirectoryNode, mode: CutMode, random: Random): void {
    const names = new Map(from.durable)
    const keep = mode === 'prefix' ? random.below(from.pending.length + 1) : 0
    for (const [i, bindings] of from.pending.entries()) {
      const survives =
        mode === 'all' ||
        (mode === 'prefix' && i < keep) ||
        (mode === 'subset' && random.below(2) === 0)
      if (survives) bind(names, bindings)
    }
    for (const [name, node] of names) {
      if (node.kind === 'file') {
        to.durable.set(name, this.#newFile(node.content.afterPowerCut(mode, random)))
        continue
      }
      const directory = new DirectoryNode()
      this.#adopt(node, directory, mode, random)
      to.durable.set(name, directory)
    }
    to.names = new Map(to.durable)
  }
}

const CUT_MODES: readonly CutMode[] = ['none', 'all', 'prefix', 'subset', 'subset']

function bind(names: Map<string, VolumeNode>, bindings: readonly Binding[]): void {
  for (const [name, node] of bindings) {
    if (node === undefined) names.delete(name)
    else names.set(name, node)
  }
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.')
}
