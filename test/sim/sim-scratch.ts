import { PetioleError, type ScratchFile } from '../../shared/runtime/index.ts'
import { systemError } from './system-error.ts'

/** What a scratch file asks of the simulated disk that it lies on. */
export interface ScratchHost {
  /** Bytes that files may still take. */
  room(): number
  /** Throws when this operation is to fail. */
  strike(fault: 'reads' | 'writes', call: string, path: string): void
  scratchBytes: number
}

/** Blocks that are gone with their disk. */
export class SimScratch implements ScratchFile {
  readonly blockBytesOnDisk: number
  readonly #host: ScratchHost
  readonly #path: string
  readonly #blocks: (Uint8Array | undefined)[] = []

  constructor(host: ScratchHost, path: string, blockBytes: number) {
    this.#host = host
    this.#path = path
    this.blockBytesOnDisk = blockBytes
  }

  write(block: number, bytes: Uint8Array): void {
    this.#host.strike('writes', 'write', this.#path)
    if (this.#blocks[block] === undefined) {
      if (this.#host.room() < bytes.length) throw systemError('ENOSPC', 'write', this.#path)
      this.#host.scratchBytes += bytes.length
    }
    this.#blocks[block] = bytes.slice()
  }

  read(block: number, target: Uint8Array): void {
    this.#host.strike('reads', 'read', this.#path)
    const bytes = this.#blocks[block]
    if (bytes === undefined) throw new PetioleError('PETIOLE_DISK_DAMAGED', 'never written')
    target.set(bytes)
  }

  clear(): void {
    this.#host.scratchBytes -= this.#blocks.filter(Boolean).length * this.blockBytesOnDisk
    this.#blocks.length = 0
  }

  close(): void {
    this.clear()
  }
}
