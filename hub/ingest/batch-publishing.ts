import type { NatsClient } from '../../shared/client/index.ts'
import type { ReceivedBatch } from '../../shared/sync/index.ts'
import type { BatchStoring, StoredPrefix } from './batch-storing.ts'
import type { KnownSubject } from './known-subjects.ts'
import type { LedgerAccount } from './ledger-book.ts'

/**
 * Hands the records of a stored batch to whoever listens now; logs have them since they were stored. The streams have them already, so no
 * stream captures them again. Links know by the header that names the leaf to whom not to bring them
 * (`isFromLeaf`): to publish in the name of the leaf's link would leave queue groups unserved.
 */
export class BatchPublishing {
  readonly #client: NatsClient
  readonly #storing: BatchStoring

  constructor(client: NatsClient, storing: BatchStoring) {
    this.#client = client
    this.#storing = storing
  }

  /** @param lots see `StoredPrefix` */
  publish(
    account: LedgerAccount,
    batch: ReceivedBatch,
    { fromSeq, lots }: Pick<StoredPrefix, 'fromSeq' | 'lots'>,
    throughSeq: number,
  ): void {
    const headers = this.#storing.originHeaders(account)
    const ignored = new Set<KnownSubject>()
    batch.rewind()
    while (batch.next() && batch.seq <= throughSeq) {
      if (batch.seq < fromSeq) continue
      const subject = this.#storing.subjects.of(batch)
      if (ignored.has(subject)) continue
      const block = headers.block(batch.seq, batch.timeMs, batch.headers)
      const own = lots.get(batch.seq)
      const choices = { headers: block, capture: false, part: 'others', lots: own } as const
      const takers = this.#client.publish(subject.bytes, batch.payload, choices)
      if (takers === 0) ignored.add(subject)
    }
  }
}
