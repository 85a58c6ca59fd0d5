import { createHash, X509Certificate } from 'node:crypto'
import type { TlsFacts } from '../account/index.ts'
import {
  type ClosedConnection,
  type ConnectionFacts,
  factsOf,
  type Subscription,
} from '../broker/index.ts'
import type {
  KindCounts,
  LinkFacts,
  ConnectionFacts as MonitorConnection,
  PeerTraffic,
  SubscriptionFacts,
  TrafficFacts,
} from '../monitor/index.ts'
import type { ServerCore } from './server-core.ts'

/** NATS clients, and those of the front doors that say who is connected to them: of one account, or of all. */
export function* openConnections(core: ServerCore, account?: string): Generator<MonitorConnection> {
  const { broker, frontDoors } = core
  for (const connection of broker.connections.values()) {
    const isWanted = account === undefined || connection.identity?.account === account
    if (isWanted) yield shown(core, factsOf(connection))
  }
  for (const door of frontDoors) {
    for (const facts of door.connections?.() ?? []) {
      if (account === undefined || facts.account === account) yield facts
    }
  }
}

export function closedConnections(core: ServerCore): MonitorConnection[] {
  return core.broker.closedConnections.map((closed) => shownClosed(core, closed))
}

export function shownClosed(core: ServerCore, closed: ClosedConnection): MonitorConnection {
  const { closedMs: stoppedMs, reason, subjects } = closed
  return { ...shown(core, closed), stoppedMs, reason, subjects }
}

/** `others` are connections to other hubs. */
export function trafficFacts(
  core: ServerCore,
  links: readonly LinkFacts[],
  others: readonly PeerTraffic[],
): TrafficFacts {
  const { totals } = core.broker
  const doors = core.frontDoors.flatMap((door) =>
    door.traffic === undefined ? [] : [door.traffic],
  )
  return {
    connections: totals.connections + sum(doors, (door) => door.connections),
    connectionsEver: totals.connectionsEver + sum(doors, (door) => door.connectionsEver),
    links: links.length,
    subscriptions: totals.subscriptions,
    clients: together([totals, ...doors]),
    servers: together([...links, ...others]),
    slowConsumers: ofClients(totals.slowConsumers),
    staleConnections: ofClients(totals.staleConnections),
    stalls: totals.stalls,
  }
}

/** Of one account or of all; of NATS clients it goes straight to what they have, for the others it looks through all. */
export function* subscriptionFacts(
  { broker }: ServerCore,
  account?: string,
  connections?: ReadonlySet<number>,
): Generator<SubscriptionFacts> {
  const others = new Set<number>()
  for (const id of connections ?? []) {
    const connection = broker.connections.get(id)
    if (connection === undefined) others.add(id)
    const of = connection?.identity?.account ?? ''
    for (const one of connection?.subscriptions.values() ?? []) yield subscriptionFact(of, one)
  }
  if (connections !== undefined && others.size === 0) return
  const one = account === undefined ? undefined : broker.spaces.get(account)
  const spaces = account === undefined ? broker.spaces.values() : one === undefined ? [] : [one]
  for (const space of spaces) {
    for (const subscription of space.subscriptions()) {
      const isWanted = connections === undefined || others.has(subscription.peer.id)
      if (isWanted) yield subscriptionFact(space.account, subscription)
    }
  }
}

function subscriptionFact(account: string, subscription: Subscription): SubscriptionFacts {
  return {
    account,
    subject: subscription.subject,
    queue: subscription.queue,
    sid: subscription.sid,
    ...deliveries(subscription),
    connectionId: subscription.peer.id,
    peer: peerOf(subscription),
  }
}

export function together(parts: readonly PeerTraffic[]): PeerTraffic {
  return {
    inMessages: sum(parts, (part) => part.inMessages),
    inBytes: sum(parts, (part) => part.inBytes),
    outMessages: sum(parts, (part) => part.outMessages),
    outBytes: sum(parts, (part) => part.outBytes),
  }
}

/** `name_tag` is what the account is called, in all that nats-server shows of connections. */
export function shown({ accounts }: ServerCore, facts: ConnectionFacts): MonitorConnection {
  const { kind, address, tls, ...rest } = facts
  return {
    ...rest,
    kind: 'Client',
    type: kind === 'websocket' ? 'websocket' : 'nats',
    ip: address,
    nameTag: accounts.book.get(facts.account)?.displayName,
    tls: tls && shownTls(tls),
  }
}

function shownTls({ version, cipherSuite, certificate }: TlsFacts): MonitorConnection['tls'] {
  const certificates = () => certificate?.pem.map(shownCertificate) ?? []
  return { version, cipherSuite, isFirst: false, certificates }
}

function shownCertificate(pem: string) {
  const { subject, raw, publicKey } = new X509Certificate(pem)
  const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
  return {
    subject: subject.split('\n').reverse().join(','),
    keyDigest: digest(publicKey.export({ type: 'spki', format: 'der' })),
    digest: digest(raw),
  }
}

/** Only subscriptions of NATS clients count what they get. */
function deliveries(subscription: Subscription): { messages: number; messagesMax: number } {
  const has = 'delivered' in subscription && 'deliveredMax' in subscription
  if (!has) return { messages: 0, messagesMax: 0 }
  return {
    messages: Number(subscription.delivered),
    messagesMax: Number(subscription.deliveredMax),
  }
}

function peerOf({ peer }: Subscription): SubscriptionFacts['peer'] {
  if (peer.kind === 'client' || peer.kind === 'mqtt') return 'client'
  return peer.kind === 'leaf' ? 'leaf' : 'other'
}

function ofClients(clients: number): KindCounts {
  return { clients, routes: 0, gateways: 0, leafs: 0 }
}

function sum<T>(list: readonly T[], of: (item: T) => number): number {
  return list.reduce((total, item) => total + of(item), 0)
}
