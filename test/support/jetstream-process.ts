/**
 * A server with JetStream in a process of its own, for being killed: `directory port [early-ack]`. With
 * `early-ack` it acknowledges before the disk has it, which is what tests of tests are for.
 */
import { BROKER_DEFAULTS, Broker } from '../../shared/broker/index.ts'
import { silentLog } from '../../shared/log/index.ts'
import { SystemClock, SystemDisk, SystemRandom } from '../../shared/runtime/index.ts'
import { SpaceStreamPort } from '../../shared/server/space-stream-port.ts'
import { openStore, type Store, type StreamStore } from '../../shared/store/index.ts'
import { StreamEngine, UNLIMITED } from '../../shared/stream/index.ts'
import { SystemNetwork } from '../../shared/transport/index.ts'
import { bytes, noLimits } from './opened-store.ts'
import { userDoor } from './user-door.ts'

const [directory = '', port = '0', mutation = ''] = process.argv.slice(2)
const parts = { clock: new SystemClock(), random: new SystemRandom(), log: silentLog }
const names = { serverId: 'NPROCESS', serverName: 'jetstream-process' }
const broker = new Broker({ ...parts, authenticator: userDoor() }, { ...BROKER_DEFAULTS, ...names })
const store = await openStore({
  ...parts,
  disk: new SystemDisk(),
  directory,
  segmentBytes: 64 * 1024,
})
if (mutation === 'early-ack') acknowledgeEarly(store)
const engine = new StreamEngine({
  ...parts,
  account: '$G',
  store,
  port: new SpaceStreamPort(broker.space('$G'), broker.nextPeerId()),
  domain: '',
  serverName: names.serverName,
  limits: UNLIMITED,
})
await engine.start()
const network = new SystemNetwork({ clock: parts.clock, onTrouble: () => {} })
const where = { protocol: 'tcp', host: '127.0.0.1', port: Number(port) } as const
const listener = await network.listen(where, (channel) => broker.accept(channel))
process.stdout.write(`${listener.port}\n`)
process.once('SIGTERM', () => {
  end().then(
    () => process.exit(0),
    () => process.exit(1),
  )
})
// Timers of the server keep nothing alive.
setInterval(() => {}, 60_000)

async function end(): Promise<void> {
  await engine.drain()
  await store.drain()
  broker.destroy()
  await listener.close()
}

function acknowledgeEarly(opened: Store): void {
  const probe = opened.createStream(`probe/${Date.now()}`, bytes(''), noLimits)
  const prototype = Object.getPrototypeOf(probe) as { append: StreamStore['append'] }
  const { append } = prototype
  prototype.append = function (this: StreamStore, subject, headers, payload, committed, ...rest) {
    const seq = append.call(this, subject, headers, payload, undefined, ...rest)
    const [, , , whom] = rest
    queueMicrotask(() => committed?.(undefined, seq, whom))
    return seq
  }
}
