import type { BatchParts, BatchStream, BatchTarget } from './batch-target.ts'
import { ServerBatches } from './server-batches.ts'

/** The batches of one kind that a stream has open, by their ids, and what they are made with. */
export abstract class OpenBatches<Batch> {
  protected readonly stream: BatchStream
  protected readonly target: BatchTarget
  protected readonly parts: BatchParts
  protected readonly server: ServerBatches
  protected readonly batches = new Map<string, Batch>()

  constructor(stream: BatchStream, target: BatchTarget, parts: BatchParts) {
    this.stream = stream
    this.target = target
    this.parts = parts
    this.server = ServerBatches.of(parts.root)
  }

  /** Those that are not over. */
  get size(): number {
    return this.batches.size
  }
}
