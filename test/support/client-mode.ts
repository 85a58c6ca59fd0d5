import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { BridgingLeaf, fact } from './bridging-leaf.ts'
import { type BrokerSide, ScriptedBroker } from './scripted-broker.ts'

/** What MQTT asks of clients, of a leaf that is one: its broker is the test. */
export class ClientMode {
  readonly #version: '3.1.1' | '5'
  readonly #broker: ScriptedBroker
  #leaf: BridgingLeaf | undefined

  private constructor(version: '3.1.1' | '5', broker: ScriptedBroker) {
    this.#version = version
    this.#broker = broker
  }

  static async begin(version: '3.1.1' | '5'): Promise<ClientMode> {
    return new ClientMode(version, await ScriptedBroker.listen())
  }

  async end(): Promise<void> {
    await this.#leaf?.remove()
    await this.#broker.close()
  }

  /** Every publish has an identifier that no other has, and keeps it when it is sent again, in the order of before. */
  async sendsAgain(): Promise<void> {
    const leaf = await this.#bridge({ publish: ['cmd/#'] })
    const first = await this.#broker.accept({ filters: 0 })
    for (const name of ['a', 'b', 'c']) await leaf.publish(`cmd.${name}`, name)
    const sent = [await publishOf(first), await publishOf(first), await publishOf(first)]
    const ids = sent.map(({ messageId }) => messageId)
    assert.equal(new Set(ids).size, 3)
    assert.ok(!ids.includes(0))
    first.send({ cmd: 'puback', messageId: ids[1], reasonCode: 0 })
    await leaf.untilMetric('inflight_messages', (value) => value === 2)
    first.destroy()
    const second = await this.#broker.accept({ filters: 0, isSessionPresent: true })
    const again = [await publishOf(second), await publishOf(second)]
    assert.deepEqual(again, [
      { ...sent[0], dup: true },
      { ...sent[2], dup: true },
    ])
    await leaf.publish('cmd.d', 'd')
    const { topic, dup, messageId } = await publishOf(second)
    assert.deepEqual([topic, dup], ['cmd/d', false])
    assert.ok(messageId !== ids[0] && messageId !== ids[2])
  }

  /** A session that the broker has lost is lost here too: what was sent is sent anew, as another packet. */
  async beginsAnew(): Promise<void> {
    const leaf = await this.#bridge({ publish: ['cmd/#'] })
    const first = await this.#broker.accept({ filters: 0 })
    await leaf.publish('cmd.a', 'a')
    await publishOf(first)
    first.destroy()
    const second = await this.#broker.accept({ filters: 0 })
    assert.equal((await publishOf(second)).dup, false)
  }

  /** PUBACK for every PUBLISH, in their order, whatever their identifiers are. */
  async acknowledges(): Promise<void> {
    await this.#bridge({ subscribe: ['plant/#'] })
    const side = await this.#broker.accept()
    const ids = Array.from({ length: 100 }, (_, n) => ((n * 37) % 100) + 1)
    for (const id of ids) side.publish('plant/a', `${id}`, id)
    const acked: (number | undefined)[] = []
    for (const _ of ids) acked.push((await side.take('puback')).messageId)
    assert.deepEqual(acked, ids)
  }

  /** With nothing else to say it says that it is there. */
  async pings(keepAlive: string, properties: object = {}): Promise<void> {
    await this.#bridge({ publish: ['cmd/#'], keep_alive: keepAlive })
    const side = await this.#broker.accept({ filters: 0, properties })
    await fact('PINGREQ', () => side.untaken.some(({ cmd }) => cmd === 'pingreq'))
  }

  /** A window that is full holds up publishes and nothing else. */
  async delaysOnlyPublishes(): Promise<void> {
    const leaf = await this.#bridge({ publish: ['cmd/#'], subscribe: ['plant/#'] })
    const side = await this.#broker.accept({ properties: { receiveMaximum: 1 } })
    await leaf.publish('cmd.a', 'a')
    await leaf.publish('cmd.b', 'b')
    await publishOf(side)
    side.publish('plant/a', 'x', 7)
    assert.equal((await side.take('puback')).messageId, 7)
    assert.deepEqual(side.untaken, [])
  }

  async setsNoAlias(topicAliasMaximum: number): Promise<void> {
    const leaf = await this.#bridge({ publish: ['cmd/#'] })
    const side = await this.#broker.accept({ filters: 0, properties: { topicAliasMaximum } })
    for (const payload of ['1', '2']) {
      await leaf.publish('cmd.a', payload)
      const { topic, properties } = await side.take('publish')
      assert.deepEqual([topic, properties?.topicAlias], ['cmd/a', undefined])
    }
  }

  /** DISCONNECT, nothing behind it, and the end. */
  async takesLeave(): Promise<void> {
    const leaf = await this.#bridge({ publish: ['cmd/#'] })
    const side = await this.#broker.accept({ filters: 0 })
    await leaf.untilMetric('connected', (value) => value === 1)
    const stopped = leaf.stop()
    await side.take('disconnect')
    await side.closed()
    assert.deepEqual(side.untaken, [])
    await stopped
  }

  async offersSubprotocol(): Promise<void> {
    const offered: string[][] = []
    const handleProtocols = (protocols: Set<string>): string => {
      offered.push([...protocols])
      return 'mqtt'
    }
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols })
    await once(server, 'listening')
    try {
      const { port } = server.address() as AddressInfo
      await this.#bridge({ publish: ['cmd/#'], url: `ws://127.0.0.1:${port}` })
      await fact('a WebSocket', () => offered.length > 0)
      assert.deepEqual(offered[0], ['mqtt'])
    } finally {
      for (const client of server.clients) client.terminate()
      server.close()
    }
  }

  async #bridge(remote: object): Promise<BridgingLeaf> {
    const url = `mqtt://127.0.0.1:${this.#broker.port}`
    this.#leaf = await BridgingLeaf.start([
      { name: 'plant', url, version: this.#version, ...remote },
    ])
    return this.#leaf
  }
}

interface Sent {
  readonly topic: string
  readonly payload: string
  readonly dup: boolean
  readonly messageId: number | undefined
}

async function publishOf(side: BrokerSide): Promise<Sent> {
  const { topic, payload, dup, messageId } = await side.take('publish')
  return { topic, payload: String(payload), dup, messageId }
}
