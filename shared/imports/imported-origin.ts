import type { Peer } from '../broker/index.ts'

/** A service import, or the way back of one, that a message has come through. */
export interface ServiceHop {
  /** What is exported: a message goes through it once. */
  readonly service: object
  readonly share: boolean
  /** Of an import: the account that it belongs to. */
  readonly importer?: string
}

/**
 * Who publishes a message that came from another account: the peer that published it there, with the
 * imports that it came through. In the account that it comes to it is nobody's own, so that neither
 * echo nor the rules of links apply; but who publishes too fast is held up all the same.
 */
export class ImportedOrigin implements Peer {
  readonly kind = 'local'
  readonly id: number
  readonly echo = true
  readonly flow?: NonNullable<Peer['flow']>
  /** Where the message was born. */
  readonly root: Peer
  readonly hops: readonly ServiceHop[]

  constructor(origin: Peer, hop: ServiceHop) {
    this.root = rootOf(origin)
    this.id = this.root.id
    this.hops = [...hopsOf(origin), hop]
    if (origin.flow !== undefined) this.flow = origin.flow
  }

  /** It subscribes to nothing. */
  deliver(): void {}
}

export function hopsOf(origin: Peer): readonly ServiceHop[] {
  return origin instanceof ImportedOrigin ? origin.hops : NO_HOPS
}

export function rootOf(origin: Peer): Peer {
  return origin instanceof ImportedOrigin ? origin.root : origin
}

const NO_HOPS: readonly ServiceHop[] = []
