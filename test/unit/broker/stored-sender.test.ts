import assert from 'node:assert/strict'
import { ClientOutlet } from '../../../shared/broker/client-outlet.ts'
import { ClientSubscription } from '../../../shared/broker/client-subscription.ts'
import { AccountSpace, StoredSender } from '../../../shared/broker/index.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import {
  arenaBytes,
  FlushQueue,
  OUTPUT_SLOT_BYTES,
  Output,
  type OutputSink,
} from '../../../shared/transport/index.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { RecordingChannel } from '../../support/recording-channel.ts'
import { RecordingPeer } from '../../support/recording-peer.ts'

const OPTIONS = { pendingBytesMax: Number.POSITIVE_INFINITY, dropsForSlowConsumers: false }
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))

/** A client whose output goes nowhere but into a text. */
class TextChannel extends RecordingChannel {
  readonly #output: Output
  readonly #queue = new FlushQueue(() => {})
  #text = ''

  constructor() {
    super(0)
    const keep = (sent: Uint8Array): void => {
      this.#text += Buffer.from(sent).toString('latin1')
    }
    const sink: OutputSink = {
      sendNow: (start, end) => {
        keep(arenaBytes.subarray(start, end))
        return end - start
      },
      send: (sent) => {
        keep(sent)
        return true
      },
      drained: () => {},
      emptied: () => {},
      overflowed: () => assert.fail('too much output'),
    }
    this.#output = new Output(sink, this.#queue)
  }

  override get output(): Output {
    return this.#output
  }

  /** Gives back what it has of the arena, which others in the process count. */
  close(): void {
    this.#output.close()
  }

  /** What was sent since it was asked last. */
  taken(): string {
    this.#queue.flush()
    const text = this.#text
    this.#text = ''
    return text
  }
}

for (const way of ['in parts', 'in one piece'])
  describe(`stored messages, ${way}`, () => {
    let space: AccountSpace
    let channel: TextChannel
    let client: ClientOutlet
    let sender: StoredSender

    beforeEach(() => {
      space = new AccountSpace(new SeededRandom(1), '$G')
      channel = new TextChannel()
      const owner = { exhausted: () => {}, slowConsumer: () => assert.fail('a slow consumer') }
      client = new ClientOutlet(new ManualClock(), channel, 1, OPTIONS, owner)
      client.supportsHeaders = true
      sender = new StoredSender(space, new RecordingPeer('local'), false)
    })
    afterEach(() => channel.close())

    const listen = (subject: string, sid: string): void =>
      space.add(new ClientSubscription(client, subject, '', sid))

    /** To that inbox, as the message `plant.a`. */
    const send = (to: Uint8Array, headers: string, payload: string, reply = 'r.1'): number => {
      if (way === 'in parts') {
        return sender.send(to, bytes('plant.a'), bytes(reply), bytes(headers), bytes(payload))
      }
      // Between other bytes, and at no even place.
      const all = Buffer.from(`-----plant.a${headers}${payload}---`)
      const message = {
        bytes: new DataView(all.buffer, all.byteOffset + 2, all.length - 2),
        subjectAt: 3,
        headersAt: 10,
        payloadAt: 10 + headers.length,
        end: 10 + headers.length + payload.length,
      }
      return sender.sendLaidOut(to, message, bytes(reply))
    }

    it('go out the same whether a client is the only receiver or one of several', () => {
      const inbox = bytes('_INBOX.1')
      listen('_INBOX.1', '7')
      const block = 'NATS/1.0\r\nA: b\r\n\r\n'
      const both = (): string[] => [
        ...[send(inbox, '', 'x'), send(inbox, block, ''), send(inbox, '', '', '')].map(String),
        channel.taken(),
      ]
      const alone = both()
      assert.equal(
        alone[3],
        `MSG plant.a 7 r.1 1\r\nx\r\nHMSG plant.a 7 r.1 18 18\r\n${block}\r\nMSG plant.a 7 0\r\n\r\n`,
      )
      const other = new RecordingPeer('local')
      space.subscribe(other, { subject: '_INBOX.*' })
      const among = both()
      assert.equal(among[3], alone[3])
      assert.deepEqual([alone[0], among[0]], ['1', '2'])
      assert.equal(other.got.length, 3)
    })

    it('lose their headers on the way to a client that knows none', () => {
      client.supportsHeaders = false
      listen('in', '1')
      assert.equal(send(bytes('in'), 'NATS/1.0\r\nA: b\r\n\r\n', 'x'), 1)
      assert.equal(channel.taken(), 'MSG plant.a 1 r.1 1\r\nx\r\n')
    })

    it('go out whole when they are larger than an output slot', () => {
      listen('in', '123456789')
      for (const size of [OUTPUT_SLOT_BYTES - 100, OUTPUT_SLOT_BYTES, 3 * OUTPUT_SLOT_BYTES]) {
        const payload = 'p'.repeat(size)
        assert.equal(send(bytes('in'), '', payload), 1)
        const expected = `MSG plant.a 123456789 r.1 ${size}\r\n${payload}\r\n`
        // Not by assert.equal: what it would say of a difference is larger than anybody reads.
        assert.ok(channel.taken() === expected, `${size} bytes`)
      }
    })

    it('go where they are sent to, also right after a subject that nobody hears', () => {
      const [heard, unheard] = [bytes('in.heard'), bytes('in.unheard')]
      listen('in.heard', '1')
      for (let i = 0; i < 4; i++) {
        assert.equal(send(heard, '', 'x'), 1)
        assert.equal(send(unheard, '', 'x'), 0)
      }
    })

    it('are taken by nobody once the client is gone', () => {
      listen('in', '1')
      client.isClosed = true
      assert.equal(send(bytes('in'), '', 'x'), 0)
      assert.equal(channel.taken(), '')
    })
  })
