import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import type { NatsConnection } from '@nats-io/transport-node'
import { SeededRandom, SystemClock, SystemDisk } from '../../shared/runtime/index.ts'
import { BusyStream } from '../support/busy-stream.ts'
import { assertWhole } from '../support/checked-store.ts'
import { freePorts } from '../support/free-ports.ts'
import { connect } from '../support/patience.ts'
import { PetioleProcess } from '../support/petiole-process.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const KILLS = 10

/**
 * A hub as operators run it, killed again and again while every kind of record is on its way to the disk. What
 * was answered is so when it is back, nothing that was gone comes back, no consumer goes back, and its store
 * is whole.
 */
describe('fault: a server that is killed with everything in flight', function () {
  this.timeout(180_000)

  it(`keeps every promise (SEED=${SEED})`, async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'petiole-everything-'))
    const [port = 0] = await freePorts(1)
    const file = path.join(directory, 'hub.conf')
    const store = path.join(directory, 'store')
    writeFileSync(file, `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${store}" }\n`)
    const hub = new PetioleProcess('hub', ['hub', '-c', file])
    const random = new SeededRandom(SEED)
    const busy = new BusyStream(random.fork())
    const client = (): Promise<NatsConnection> =>
      connect({ servers: `127.0.0.1:${port}`, reconnect: false })
    const started = async (): Promise<NatsConnection> => {
      await hub.start()
      return await client()
    }
    let connection: NatsConnection | undefined
    try {
      connection = await started()
      await busy.make(connection)
      for (let kill = 1; kill <= KILLS; kill++) {
        const what = `SEED=${SEED} kill ${kill}`
        let isOver = false
        const working = busy.work(connection, () => isOver)
        const killing = (async () => {
          await busy.more(60 + random.below(240))
          await hub.kill()
          isOver = true
        })()
        // Whoever fails first says why.
        await Promise.race([killing, working.then(() => killing)])
        await working
        await connection.close()
        await assertWhole(new SystemDisk(), new SystemClock(), store, what)
        connection = await started()
        await busy.check(connection, what)
      }
      await busy.checkCopy(connection, `SEED=${SEED}`)
      await connection.close()
      for (const [kind, count] of Object.entries(busy.answered)) {
        assert.ok(count > 0, `SEED=${SEED}: no ${kind} was ever answered`)
      }
    } catch (error) {
      throw new Error(
        `SEED=${SEED}: ${error instanceof Error ? error.message : ''}\n${hub.lastWords()}`,
        { cause: error },
      )
    } finally {
      await connection?.close()
      await hub.kill()
      rmSync(directory, { recursive: true, force: true })
    }
  })
})
