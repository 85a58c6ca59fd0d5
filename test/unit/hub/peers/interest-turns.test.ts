import assert from 'node:assert/strict'
import { PEER_LIMITS } from '../../../../hub/peers/index.ts'
import { PeerConnection, type PeerPhase } from '../../../../hub/peers/peer-connection.ts'
import { work } from '../../../../shared/broker/index.ts'
import { Turns } from '../../../../shared/broker/turns.ts'
import { LINK_LIMITS } from '../../../../shared/link/index.ts'
import { LinkConnection, type LinkPhase } from '../../../../shared/link/link-connection.ts'
import { arenaBytes, READ_START } from '../../../../shared/transport/index.ts'
import { ManualClock } from '../../../support/manual-clock.ts'
import { RecordingChannel } from '../../../support/recording-channel.ts'

/** Of one change; a turn lasts TURN_MS and OVERTIME_MS, and is looked at every 41 changes. */
const CHANGE_MS = 0.05
const CHANGES_PER_TURN = 140 + 2 * 41
const LINES = 1_800

/** Takes what comes, and keeps what interest there is. */
class CountingPhase implements PeerPhase, LinkPhase {
  readonly known = new Set<string>()
  changes = 0
  worked: (() => void) | undefined
  reasons: string[] = []
  info = (): void => {}
  connect = (): void => {}
  peer = (): void => {}
  leaf = (): void => {}
  message: () => unknown = () => {}
  refused = (): void => {}
  allowsHeartbeat = (): boolean => true
  ended = (reason: string): unknown => this.reasons.push(reason)
  interest = (...words: unknown[]): void => this.#note(words.join(' '), true)
  interestGone = (...words: unknown[]): void => this.#note(`${words.join(' ')} 1`, false)
  capture = (account: string, subject: string, isThere: boolean): void =>
    this.#note(`${account} ${subject} capture`, isThere)

  #note(key: string, isThere: boolean): void {
    this.changes++
    this.worked?.()
    if (isThere) this.known.add(key)
    else this.known.delete(key)
  }
}

/** Gives the handler what it has left again when it has resumed, as a channel does; returns the changes per turn. */
function turnsOf(text: string, connect: (channel: RecordingChannel, clock: ManualClock) => Made) {
  const turns: (() => void)[] = []
  const clock = Object.assign(new ManualClock(), { soon: (next: () => void) => turns.push(next) })
  const channel = new RecordingChannel(READ_START)
  const { phase, bytesIn } = connect(channel, clock)
  phase.worked = () => clock.advance(CHANGE_MS)
  let rest = Buffer.from(text)
  const steps: number[] = []
  for (let before = 0; rest.length > 0; before = phase.changes) {
    assert.ok(steps.length < 100, 'it goes on')
    rest.copy(arenaBytes, READ_START)
    const used = channel.handler?.onChunk(READ_START, READ_START + rest.length) ?? 0
    rest = rest.subarray(used - READ_START)
    steps.push(phase.changes - before)
    if (rest.length > 0) assert.ok(channel.isPaused, 'paused until its next turn')
    for (const turn of turns.splice(0)) turn()
    assert.equal(channel.isPaused, false)
  }
  assert.equal(bytesIn(), text.length, 'each byte counts once')
  return steps
}

interface Made {
  readonly phase: CountingPhase
  bytesIn(): number
}

/** Comes, goes, and a last one that stays; `gone` and `come` make lines. */
function lines(come: (name: string) => string, gone: (name: string) => string): string {
  const all: string[] = []
  for (let i = 0; i < LINES; i++) all.push(i % 3 === 2 ? gone(`s.${i - 1}`) : come(`s.${i}`))
  return all.join('')
}

describe('plain messages over a link', () => {
  it('are had free by the hundred in a turn that others have used up', () => {
    const turns: (() => void)[] = []
    const clock = Object.assign(new ManualClock(), { soon: (next: () => void) => turns.push(next) })
    const hub = new RecordingChannel(READ_START)
    const leaf = new RecordingChannel(READ_START)
    const phase = new CountingPhase()
    let messages = 0
    phase.message = () => messages++
    const peer = new PeerConnection(hub, clock, PEER_LIMITS, phase)
    peer.start()
    peer.enter(phase)
    const link = new LinkConnection(leaf, clock, LINK_LIMITS, phase)
    link.start()
    link.enter(phase, 'A', 10_000)
    Turns.of(clock).isOver()
    clock.advance(100)
    for (const [channel, line] of [
      [hub, 'RMSG A - s 1\r\nx\r\n'],
      [leaf, 'LMSG s 1\r\nx\r\n'],
    ] as const) {
      work.units = 0
      const end = READ_START + arenaBytes.write(line.repeat(1_000), READ_START)
      assert.equal(channel.handler?.onChunk(READ_START, end), end)
      assert.equal(channel.isPaused, false)
    }
    assert.equal(messages, 2_000)
    peer.destroy('')
    link.destroy('')
  })
})

describe('much interest of another server', () => {
  it('over a leaf link leaves others their turn', () => {
    const phase = new CountingPhase()
    const text = lines(
      (name) => `LS+ ${name}\r\n`,
      (name) => `LS- ${name}\r\n`,
    )
    const steps = turnsOf(text, (channel, clock) => {
      const connection = new LinkConnection(channel, clock, LINK_LIMITS, phase)
      connection.start()
      return { phase, bytesIn: () => connection.bytesIn }
    })
    assert.ok(Math.max(...steps) <= CHANGES_PER_TURN, steps.join())
    assert.equal(phase.changes, LINES)
    assert.equal(phase.known.size, LINES / 3)
    assert.deepEqual(phase.reasons, [])
  })

  for (const [what, sign] of [
    ['interest', 'RS'],
    ['captures', 'RC'],
  ] as const) {
    it(`over a link of hubs leaves others their turn: ${what}`, () => {
      const phase = new CountingPhase()
      const text = lines(
        (name) => `${sign}+ $G ${name}\r\n`,
        (name) => `${sign}- $G ${name}\r\n`,
      )
      const steps = turnsOf(text, (channel, clock) => {
        const connection = new PeerConnection(channel, clock, PEER_LIMITS, phase)
        connection.start()
        connection.enter(phase)
        return { phase, bytesIn: () => connection.bytesIn }
      })
      assert.ok(Math.max(...steps) <= CHANGES_PER_TURN, steps.join())
      assert.equal(phase.changes, LINES)
      assert.equal(phase.known.size, LINES / 3)
      assert.deepEqual(phase.reasons, [])
    })
  }
})
