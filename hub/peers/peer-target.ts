import { Backoff } from '../../shared/link/index.ts'
import type { Log } from '../../shared/log/index.ts'
import { type Cancel, messageOf, type Tasks } from '../../shared/runtime/index.ts'
import type { Channel, DialSecurity, Network } from '../../shared/transport/index.ts'
import type { HandshakeContext } from './accepted-peer.ts'
import { type DialEnd, DialledPeer } from './dialled-peer.ts'
import {
  FAILURES_PER_LOG,
  REDIAL_BASE_MS,
  REDIAL_MAX_MS,
  REFUSED_WAIT_MS,
  SELF_WAIT_MS,
} from './limits.ts'
import { type Address, addressText, type PeerCard, type PeerLinkKind } from './peer-card.ts'

/** An address where a hub is, or may be: of the configuration, or told by another hub. */
export interface PeerTargetOptions {
  readonly kind: PeerLinkKind
  readonly address: Address
  readonly user: string
  readonly password: string
  /** The region that has to be there; '' for any. */
  readonly wantedRegion: string
  /** The hub that has to be there; '' for any. */
  readonly wantedId: string
  readonly isConfigured: boolean
  readonly security: DialSecurity | undefined
  readonly context: HandshakeContext
  readonly network: Network
  readonly tasks: Tasks
  readonly log: Log
  readonly claim: (peer: PeerCard, handshake: DialledPeer) => boolean
  readonly onAccepted: (peer: PeerCard, handshake: DialledPeer, target: PeerTarget) => void
  /** The dial is over without a link; `claim` holds no longer. */
  readonly onFailed: (target: PeerTarget, handshake: DialledPeer | undefined) => void
}

type TargetState = 'idle' | 'waiting' | 'dialling' | 'stopped'

/**
 * Dials one address until a link with the hub there stands, whoever has dialled it, and again when
 * that link is lost.
 */
export class PeerTarget {
  readonly options: PeerTargetOptions
  readonly #backoff: Backoff
  #state: TargetState = 'idle'
  #knownId: string
  #failures = 0
  #failingSinceMs: number | undefined
  #cancelWait: Cancel | undefined
  #handshake: DialledPeer | undefined

  constructor(options: PeerTargetOptions) {
    this.options = options
    this.#knownId = options.wantedId
    this.#backoff = new Backoff(options.context.random, REDIAL_BASE_MS, REDIAL_MAX_MS)
  }

  /** The hub that was found there last; '' before the first. */
  get knownId(): string {
    return this.#knownId
  }

  /** How long it has been out of reach. */
  get failingMs(): number {
    if (this.#failingSinceMs === undefined) return 0
    return this.options.context.clock.monotonicMs() - this.#failingSinceMs
  }

  get failures(): number {
    return this.#failures
  }

  start(delayMs = 0): void {
    if (this.#state === 'idle') this.#wait(delayMs)
  }

  /** A link with the hub `id` stands. */
  linked(id: string): void {
    if (id !== this.#knownId || this.#state === 'stopped') return
    this.#cancelWait?.()
    this.#backoff.reset()
    this.#failures = 0
    this.#failingSinceMs = undefined
    if (this.#state === 'waiting') this.#state = 'idle'
  }

  /** There is no link with the hub `id` any more, nor one in the making. */
  lost(id: string): void {
    if (id === this.#knownId && this.#state === 'idle') this.#wait(this.#backoff.nextMs())
  }

  stop(): void {
    this.#state = 'stopped'
    this.#cancelWait?.()
    this.#handshake?.connection.destroy('this server stops')
  }

  #wait(delayMs: number): void {
    this.#cancelWait?.()
    this.#state = 'waiting'
    this.#cancelWait = this.options.context.clock.after(delayMs, () => this.#dial())
  }

  #dial(): void {
    if (this.#state !== 'waiting') return
    this.#state = 'dialling'
    this.options.tasks.run('peer dial', (signal) => this.#connect(signal))
  }

  async #connect(signal: AbortSignal): Promise<void> {
    const { address, network, context, security } = this.options
    let channel: Channel
    try {
      const where = { protocol: 'tcp', ...address, path: '' } as const
      const timeoutMs = context.limits.dialTimeoutMs
      channel = await network.dial({ ...where, timeoutMs, tls: security }, signal)
    } catch (error) {
      this.#ended({ name: 'failed', reason: messageOf(error), isRefused: false })
      return
    }
    if (signal.aborted || this.#state !== 'dialling') {
      channel.destroy()
      return
    }
    this.#shakeHands(channel)
  }

  #shakeHands(channel: Channel): void {
    const { context, kind, user, password, wantedRegion, wantedId, onAccepted } = this.options
    const handshake: DialledPeer = new DialledPeer({
      ...context,
      card: () => context.card(),
      channel,
      kind,
      user,
      password,
      wantedRegion,
      wantedId,
      claim: (peer, it) => {
        this.#knownId = peer.id
        return this.options.claim(peer, it)
      },
      onAccepted: (peer, it) => {
        onAccepted(peer, it, this)
        if (this.#state !== 'dialling') return
        this.#handshake = undefined
        this.#state = 'idle'
        if (it.connection.isEnded) this.lost(peer.id)
      },
      onEnded: (end) => this.#ended(end),
    })
    this.#handshake = handshake
    handshake.start()
  }

  #ended(end: DialEnd): void {
    const handshake = this.#handshake
    this.#handshake = undefined
    if (this.#state === 'dialling') {
      if (end.name === 'self') this.#wait(SELF_WAIT_MS)
      else if (end.name === 'known') {
        this.#knownId = end.id
        this.#state = 'idle'
      } else this.#failed(end)
    }
    this.options.onFailed(this, handshake)
  }

  #failed({ reason, isRefused }: { reason: string; isRefused: boolean }): void {
    const { context, kind, address, log, isConfigured } = this.options
    this.#failingSinceMs ??= context.clock.monotonicMs()
    this.#failures++
    const refusedMs = isRefused ? REFUSED_WAIT_MS * (1 + context.random.float()) : 0
    const waitMs = Math.max(this.#backoff.nextMs(), refusedMs)
    this.#wait(waitMs)
    if (this.#failures % FAILURES_PER_LOG !== 1) return
    const fields = { kind, address: addressText(address), reason, attempts: this.#failures }
    if (isRefused || isConfigured) log.warn(fields, 'cannot link with a hub')
    else log.debug(fields, 'cannot link with a hub')
  }
}
