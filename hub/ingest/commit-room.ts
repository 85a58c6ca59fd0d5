import { UNCOMMITTED_BYTES_MAX } from './limits.ts'

/**
 * Bytes of batches that wait for their commit, over all accounts of the hub. One account may have all the
 * room while no other wants any, and half of it else: it cannot keep the others' leaves waiting.
 */
export class CommitRoom {
  #bytes = 0

  /** @param own what the account has there already */
  hasRoom(own: number, size: number): boolean {
    if (this.#bytes + size > UNCOMMITTED_BYTES_MAX) return false
    return own === this.#bytes || own + size <= UNCOMMITTED_BYTES_MAX / 2
  }

  take(size: number): void {
    this.#bytes += size
  }

  give(size: number): void {
    this.#bytes -= size
  }
}
