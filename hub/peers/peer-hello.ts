import type { ServerIdentity } from '../../shared/link/index.ts'
import { verifySignature } from '../../shared/link/index.ts'
import {
  cardFields,
  cardOf,
  type PeerCard,
  type PeerLinkKind,
  parseFields,
  text,
} from './peer-card.ts'

/**
 * How two hubs introduce themselves. Each proves that it holds the key of its id by signing what the
 * other one chose, so nobody takes over a link by its name:
 *
 *     accepting              dialling
 *     INFO {card, nonce} ──▶
 *                        ◀── CONNECT {card, nonce, sig, user, pass}
 *     INFO {card, sig}   ──▶                                          both are up
 *
 * A signature is over both ids as well, so that one given to a third party is of no use elsewhere.
 */
export const PEER_PROTOCOL = 1

export interface PeerInfo {
  readonly card: PeerCard
  /** 0: no Petiole hub on a peer port. */
  readonly protocol: number
  readonly kind: PeerLinkKind | undefined
  /** Of the first INFO; '' in the others. */
  readonly nonce: string
  /** Of the one that says yes; '' in the others. */
  readonly signature: string
}

export interface PeerConnect {
  readonly card: PeerCard
  readonly protocol: number
  readonly kind: PeerLinkKind | undefined
  readonly nonce: string
  readonly signature: string
  readonly user: string
  readonly password: string
  /** Gateways: the region that it wants to reach. */
  readonly wantedRegion: string
  /** Set by clients that dialled the wrong port. */
  readonly lang: string
}

/** Throws PETIOLE_PEER_HELLO. */
export function parseInfo(json: string, observedHost: string): PeerInfo {
  const fields = parseFields(json, 'INFO')
  return {
    card: cardOf(fields, observedHost),
    protocol: protocolOf(fields),
    kind: kindOf(fields),
    nonce: text(fields, 'nonce'),
    signature: text(fields, 'sig'),
  }
}

/** Throws PETIOLE_PEER_HELLO. */
export function parseConnect(json: string, observedHost: string): PeerConnect {
  const fields = parseFields(json, 'CONNECT')
  return {
    card: cardOf(fields, observedHost),
    protocol: protocolOf(fields),
    kind: kindOf(fields),
    nonce: text(fields, 'nonce'),
    signature: text(fields, 'sig'),
    user: text(fields, 'user'),
    password: text(fields, 'pass'),
    wantedRegion: text(fields, 'wanted'),
    lang: text(fields, 'lang'),
  }
}

/** Throws PETIOLE_PEER_HELLO. */
export function parseCard(json: string): PeerCard {
  // Passed on by a third hub, which has seen it: nothing is left to fill in.
  return cardOf(parseFields(json, 'PEER'), '')
}

/** A leaf that has proven its id at the hub that tells of it. */
export interface MovedLeaf {
  readonly account: string
  readonly name: string
  readonly id: string
}

/** Throws PETIOLE_PEER_HELLO. */
export function parseLeaf(json: string): MovedLeaf {
  const fields = parseFields(json, 'LEAF')
  return {
    account: text(fields, 'account'),
    name: text(fields, 'name'),
    id: text(fields, 'server_id'),
  }
}

export function leafLine({ account, name, id }: MovedLeaf): Uint8Array {
  return line('LEAF', { account, name, server_id: id })
}

export function infoLine(card: PeerCard, kind: PeerLinkKind, more: object = {}): Uint8Array {
  return line('INFO', { ...cardFields(card), peer_protocol: PEER_PROTOCOL, peer: kind, ...more })
}

export function connectLine(card: PeerCard, kind: PeerLinkKind, more: object): Uint8Array {
  return line('CONNECT', { ...cardFields(card), peer_protocol: PEER_PROTOCOL, peer: kind, ...more })
}

export function peerLine(card: PeerCard): Uint8Array {
  return line('PEER', cardFields(card))
}

export function sign(identity: ServerIdentity, nonce: string, otherId: string): string {
  return identity.sign(signedBytes(nonce, identity.id, otherId))
}

export function isSignedBy(id: string, signature: string, nonce: string, otherId: string): boolean {
  return verifySignature(id, signedBytes(nonce, id, otherId), signature)
}

function signedBytes(nonce: string, signerId: string, otherId: string): Uint8Array {
  return Buffer.from(`petiole peer link\n${nonce}\n${signerId}\n${otherId}`)
}

function line(operation: string, fields: object): Uint8Array {
  return Buffer.from(`${operation} ${JSON.stringify(fields)}\r\n`)
}

function protocolOf(fields: Readonly<Record<string, unknown>>): number {
  const value = fields['peer_protocol']
  return typeof value === 'number' ? value : 0
}

function kindOf(fields: Readonly<Record<string, unknown>>): PeerLinkKind | undefined {
  const value = fields['peer']
  return value === 'route' || value === 'gateway' ? value : undefined
}
