import { UserAuthenticator } from '../../shared/account/index.ts'
import { BROKER_DEFAULTS, Broker } from '../../shared/broker/index.ts'
import { silentLog } from '../../shared/log/index.ts'
import { SystemClock, SystemRandom } from '../../shared/runtime/index.ts'
import { SystemNetwork } from '../../shared/transport/index.ts'

/** The broker alone, as the core benchmark's process: prints its port, and ends with its parent. */
const clock = new SystemClock()
const broker = new Broker(
  {
    clock,
    random: new SystemRandom(),
    log: silentLog,
    authenticator: new UserAuthenticator({ users: [] }),
  },
  { ...BROKER_DEFAULTS, serverId: 'NBENCH', serverName: 'bench' },
)
const network = new SystemNetwork({ clock, onTrouble: () => {} })
const listener = await network.listen({ protocol: 'tcp', host: '127.0.0.1', port: 0 }, (channel) =>
  broker.accept(channel),
)
process.stdout.write(`${listener.port}\n`)
process.stdin.resume().on('end', () => process.exit(0))
