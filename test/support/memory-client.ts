import { BROKER_DEFAULTS, Broker } from '../../shared/broker/index.ts'
import { silentLog } from '../../shared/log/index.ts'
import { type Clock, SeededRandom } from '../../shared/runtime/index.ts'
import {
  arenaBytes,
  type Channel,
  type ChannelHandler,
  FlushQueue,
  Output,
  READ_START,
} from '../../shared/transport/index.ts'
import { userDoor } from './user-door.ts'

/** Time that stands still: what these tests see depends on input alone. */
const STILL: Clock = {
  wallMs: () => 0,
  monotonicMs: () => 0,
  after: () => () => {},
  soon: () => {},
}

export function stillBroker(): Broker {
  return new Broker(
    {
      clock: STILL,
      random: new SeededRandom(1),
      log: silentLog,
      authenticator: userDoor(),
    },
    { ...BROKER_DEFAULTS, serverId: 'NTEST', serverName: 'test', payloadBytesMax: 300_000 },
  )
}

/** A client whose channel is two arrays: input is cut where the test says, output is kept. */
export class MemoryClient {
  isEnded = false
  readonly #received: Buffer[] = []
  readonly #queue = new FlushQueue(() => {})
  readonly #output: Output
  #handler: ChannelHandler | undefined
  #carry = Buffer.alloc(0)

  constructor(broker: Broker) {
    const keep = (bytes: Uint8Array): void => void this.#received.push(Buffer.from(bytes))
    this.#output = new Output(
      {
        sendNow: (start, end) => {
          keep(arenaBytes.subarray(start, end))
          return end - start
        },
        send: (bytes) => {
          keep(bytes)
          return true
        },
        drained: () => {},
        emptied: () => {},
        overflowed: () => {},
      },
      this.#queue,
    )
    broker.accept(this.#channel())
  }

  get received(): string {
    this.#queue.flush()
    return Buffer.concat(this.#received).toString('latin1')
  }

  feed(chunk: Uint8Array): void {
    if (this.isEnded || this.#handler === undefined) return
    const start = READ_START - this.#carry.length
    arenaBytes.set(this.#carry, start)
    arenaBytes.set(chunk, READ_START)
    const end = READ_START + chunk.length
    const used = this.#handler.onChunk(start, end)
    this.#carry = Buffer.from(arenaBytes.subarray(used, end))
    this.#queue.flush()
  }

  #channel(): Channel {
    const output = this.#output
    const end = (): void => {
      this.isEnded = true
      this.#queue.flush()
    }
    return {
      kind: 'memory',
      remoteAddress: 'memory',
      remotePort: 0,
      localAddress: 'memory',
      localPort: 0,
      path: '',
      cookies: {},
      security: 'plain',
      tls: undefined,
      output,
      get pendingBytes() {
        return output.pendingBytes
      },
      isBehind: (bytes) => output.isBehind(bytes),
      get isClosed() {
        return false
      },
      get hasEnded() {
        return false
      },
      start: (handler) => {
        this.#handler = handler
      },
      write: (bytes) => output.write(bytes),
      reserve: (size) => output.reserve(size),
      commit: (at) => output.commit(at),
      secure: () => Promise.resolve(),
      pause: () => {},
      hold: () => {},
      resume: () => {},
      end,
      destroy: end,
    }
  }
}
