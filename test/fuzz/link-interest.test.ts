import assert from 'node:assert/strict'
import {
  AccountSpace,
  type LinkKind,
  type Peer,
  type Subscription,
} from '../../shared/broker/index.ts'
import { AccountLinks, type InterestListener } from '../../shared/link/account-links.ts'
import { InterestPace } from '../../shared/link/interest-pace.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { RecordingLink, RecordingPeer } from '../support/recording-peer.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
const RUNS = Number(process.env['FUZZ_RUNS'] ?? 150)
const STEPS = 120

const SUBJECTS = ['a', 'b.>', 'cap.>', '$LDS.other']
const QUEUES = ['', '', 'q', 'r']

/** A link that keeps what the other side has been told, as the other side would. */
class ToldLink implements InterestListener {
  readonly peer: RecordingLink
  readonly remoteCluster: string
  readonly isIsolated: boolean
  readonly told = new Map<string, number>()
  /** What a hub beside is told apart from all else. */
  readonly captures = new Set<string>()
  readonly subscriptions: Subscription[] = []
  isBusy = false
  /** It may be told a thing twice, and lose what it never had. */
  isPatient = false

  constructor(kind: LinkKind, remoteCluster: string, isIsolated: boolean) {
    this.peer = new RecordingLink(kind)
    this.remoteCluster = remoteCluster
    this.isIsolated = isIsolated
  }

  interestChanged(subject: string, queue: string, weight: number): void {
    const key = `${subject} ${queue}`
    const known = this.told.get(key)
    if (weight === 0 && !this.isPatient)
      assert.ok(known !== undefined, `LS- of what was never told: ${key}`)
    if (weight > 0 && queue === '' && !this.isPatient)
      assert.equal(known, undefined, `told twice: ${key}`)
    if (weight === 0) this.told.delete(key)
    else this.told.set(key, queue === '' ? 1 : weight)
  }

  captureChanged(subject: string, isThere: boolean): void {
    if (this.isBeside && !this.isPatient)
      assert.notEqual(this.captures.has(subject), isThere, `told twice: ${subject}`)
    if (isThere) this.captures.add(subject)
    else this.captures.delete(subject)
  }

  get isBeside(): boolean {
    return this.peer.kind === 'route' || this.peer.kind === 'gateway'
  }
}

function isConfined(subscription: Subscription): boolean {
  return subscription.subject === 'cap.>' && subscription.isCapture
}

/** The rule of interest-view.ts, written as one would say it. */
function expected(space: AccountSpace, link: ToldLink, links: readonly ToldLink[], own: string) {
  const sums = new Map<string, number>(link.isBeside ? [] : [[`${own} `, 1]])
  for (const it of space.subscriptions()) {
    if (!isTold(it, link, links)) continue
    const key = `${it.subject} ${it.queue}`
    sums.set(key, it.queue === '' ? 1 : (sums.get(key) ?? 0) + it.weight)
  }
  return sums
}

function isTold(it: Subscription, link: ToldLink, links: readonly ToldLink[]): boolean {
  const from = links.find((other) => other.peer === (it.peer as Peer))
  const isToHub = link.peer.kind !== 'leaf'
  if (link.isBeside && it.subject.startsWith('$LDS.')) return false
  if (link.isBeside && from === undefined && it.isCapture) return false
  if (from === undefined) return !(isToHub && isConfined(it))
  const isSame =
    from === link || (from.remoteCluster !== '' && from.remoteCluster === link.remoteCluster)
  if (it.subject.startsWith('$LDS.')) return !isSame
  if (isToHub) return from.peer.kind === 'leaf'
  return !isSame && !link.isIsolated
}

describe(`link interest against a naive model (SEED=${SEED})`, () => {
  it('tells each link exactly what it may know, after every change', () => {
    const random = new SeededRandom(SEED)
    for (let run = 0; run < RUNS; run++) play(random, `SEED=${SEED} run ${run}`, false)
  })

  it('tells it in the end when there is more than is told at a time', () => {
    const random = new SeededRandom(SEED)
    for (let run = 0; run < RUNS; run++) play(random, `SEED=${SEED} slow run ${run}`, true)
  })
})

function play(random: SeededRandom, what: string, isSlow: boolean): void {
  const space = new AccountSpace(random, '$G')
  const clock = new ManualClock()
  const pace = isSlow ? new InterestPace(clock, 2, 1) : new InterestPace(clock)
  const locals: Subscription[] = []
  let links: ToldLink[] = []
  const pick = <T>(items: readonly T[]): T => items[random.below(items.length)]!
  const subscribe = (): void => {
    const isCapture = random.below(2) === 0
    const peer = new RecordingPeer(pick(['client', 'mqtt', 'local'] as const))
    const queue = isCapture ? '' : pick(QUEUES)
    locals.push(space.subscribe(peer, { subject: pick(SUBJECTS), queue, isCapture }))
  }
  // What is there before the first link is counted while it changes.
  for (let count = random.below(40); count > 0; count--) subscribe()
  const accountLinks = new AccountLinks(space, random, isConfined, pace)
  for (let count = random.below(10); count > 0; count--) changeLocal(space, locals, random)

  for (let step = 0; step < STEPS; step++) {
    const action = random.below(10)
    if (action === 0 && links.length < 5) {
      const link = new ToldLink(
        pick(['uplink', 'leaf', 'leaf', 'route', 'gateway'] as const),
        // Hubs and leaves never share a cluster: the handshake refuses it.
        '',
        random.below(4) === 0,
      )
      const clustered =
        link.peer.kind === 'leaf' && random.below(2) === 0
          ? new ToldLink('leaf', 'cluster-1', link.isIsolated)
          : link
      clustered.isPatient = isSlow
      links.push(clustered)
      accountLinks.join(clustered)
    } else if (action === 1 && links.length > 0) {
      const link = pick(links)
      accountLinks.leave(link, link.subscriptions)
      if (isSlow) clock.advance(1_000)
      links = links.filter((it) => it !== link)
    } else if (action < 5) {
      subscribe()
    } else if (action === 5 && locals.length > 0) {
      space.unsubscribe(locals.splice(random.below(locals.length), 1)[0]!)
    } else if (links.length > 0) {
      changeLink(space, pick(links), random)
    }
    if (isSlow) for (const link of links) link.isBusy = random.below(2) === 0
    if (isSlow && random.below(8) > 0) {
      if (random.below(2) === 0) clock.advance(random.below(8))
      continue
    }
    for (const link of links) link.isBusy = false
    if (isSlow) clock.advance(1_000)
    for (const link of links) {
      const want = expected(space, link, links, accountLinks.loopSubject)
      const sorted = (map: ReadonlyMap<string, number>) => [...map].sort()
      assert.deepEqual(sorted(link.told), sorted(want), `${what} step ${step} ${link.peer.kind}`)
      if (!link.isBeside) continue
      const captures = locals.filter((it) => it.isCapture && !isConfined(it))
      const wanted = [...new Set(captures.map((it) => it.subject))].sort()
      assert.deepEqual([...link.captures].sort(), wanted, `${what} step ${step} captures`)
    }
  }
}

/** Comes before the next turn of the loop. */
function changeLocal(space: AccountSpace, locals: Subscription[], random: SeededRandom): void {
  const index = random.below(locals.length)
  const subscription = locals[index]
  if (subscription === undefined) return
  if (subscription.queue !== '' && random.below(2) === 0) {
    space.reweigh(subscription, 1 + random.below(5))
  } else {
    space.unsubscribe(subscription)
    locals.splice(index, 1)
  }
}

/** One LS+ or LS-, as the other side of a link sends it: each (subject, queue) once. */
function changeLink(space: AccountSpace, link: ToldLink, random: SeededRandom): void {
  const subject = SUBJECTS[random.below(SUBJECTS.length)]!
  const queue = QUEUES[random.below(QUEUES.length)]!
  const known = link.subscriptions.find((it) => it.subject === subject && it.queue === queue)
  if (known === undefined) {
    const weight = queue === '' ? 1 : 1 + random.below(4)
    link.subscriptions.push(space.subscribe(link.peer, { subject, queue, weight }))
  } else if (queue !== '' && random.below(2) === 0) {
    space.reweigh(known, 1 + random.below(5))
  } else {
    space.unsubscribe(known)
    link.subscriptions.splice(link.subscriptions.indexOf(known), 1)
  }
}
