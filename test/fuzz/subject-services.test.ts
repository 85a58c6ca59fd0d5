import assert from 'node:assert/strict'
import type { Subscription } from '../../shared/broker/index.ts'
import type { ImportConfig } from '../../shared/config/index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { accountConfig, exported, imported } from '../support/account-configs.ts'
import { ImportWorld } from '../support/import-world.ts'
import { RecordingPeer } from '../support/recording-peer.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
const ROUNDS = 40
const STEPS = 150
/** Each account asks the one before it, by a name of its own. */
const CHAIN = ['A', 'B', 'C', 'D']
const THRESHOLD_MS = 1_000

interface Responder {
  readonly at: number
  readonly subscription: Subscription
  readonly peer: RecordingPeer
  /** Answers at once, or keeps the reply for later. */
  readonly isQuick: boolean
}

interface Waiting {
  readonly reply: string
  readonly question: string
  readonly account: string
  readonly peer: RecordingPeer
  readonly askedMs: number
}

class Model {
  readonly random: SeededRandom
  readonly world: ImportWorld
  readonly clients = CHAIN.map(() => new RecordingPeer('local'))
  readonly responders: Responder[] = []
  readonly waiting: Waiting[] = []
  nowMs = 0
  asked = 0

  constructor(random: SeededRandom) {
    this.random = random
    const service = exported('service', 'ask.>', {
      response_threshold: THRESHOLD_MS,
    })
    const configs = CHAIN.map((name, i) => {
      const imports: ImportConfig[] =
        i === 0 ? [] : [imported('service', CHAIN[i - 1]!, 'ask.>', 'up.>')]
      return accountConfig(name, { exports: [service], imports })
    })
    this.world = new ImportWorld(configs, { seed: random.below(2 ** 31) })
    for (const [i, name] of CHAIN.entries()) {
      this.world.space(name).subscribe(this.clients[i]!, { subject: 'inbox.*' })
    }
  }

  addResponder(): void {
    const at = this.random.below(CHAIN.length)
    const account = CHAIN[at]!
    const peer = new RecordingPeer('local')
    const isQuick = this.random.below(2) === 0
    peer.onDeliver = (_subscription, message) => {
      const question = Buffer.from(message.payload).toString()
      if (isQuick) this.world.publish(account, peer, message.reply, { payload: `re ${question}` })
      else {
        const askedMs = this.nowMs
        this.waiting.push({ reply: message.reply, question, account, peer, askedMs })
      }
    }
    const options = { subject: 'ask.*', queue: 'workers' }
    const subscription = this.world.space(account).subscribe(peer, options)
    this.responders.push({ at, subscription, peer, isQuick })
  }

  removeResponder(): void {
    const [gone] = this.responders.splice(this.random.below(this.responders.length || 1), 1)
    if (gone === undefined) return
    this.world.space(CHAIN[gone.at]!).unsubscribe(gone.subscription)
  }

  /** Asks the account above; taken exactly when somebody there answers. */
  ask(): void {
    const at = 1 + this.random.below(CHAIN.length - 1)
    const client = this.clients[at]!
    const question = `q${this.asked++}`
    const kept = this.waiting.length
    const before = client.got.length
    const there = this.responders.filter((it) => it.at === at - 1)
    const reply = `inbox.${question}`
    const taken = this.world.publish(CHAIN[at]!, client, 'up.x', { reply, payload: question })
    assert.equal(taken, there.length > 0 ? 1 : 0)
    const answers = client.got.slice(before).map(({ subject, payload }) => `${subject} ${payload}`)
    const isKept = this.waiting.length > kept
    assert.deepEqual(answers, taken === 0 || isKept ? [] : [`${reply} re ${question}`])
  }

  /** A late answer arrives exactly when it is not too late. */
  answer(): void {
    const [it] = this.waiting.splice(this.random.below(this.waiting.length || 1), 1)
    if (it === undefined) return
    const at = CHAIN.indexOf(it.account) + 1
    const client = this.clients[at]!
    const before = client.got.length
    const isInTime = this.nowMs - it.askedMs < THRESHOLD_MS
    const payload = `re ${it.question}`
    const taken = this.world.publish(it.account, it.peer, it.reply, { payload })
    assert.equal(taken, isInTime ? 1 : 0)
    const got = client.got.slice(before).map(({ subject }) => subject)
    assert.deepEqual(got, isInTime ? [`inbox.${it.question}`] : [])
    assert.equal(this.world.publish(it.account, it.peer, it.reply, { payload }), 0, 'twice')
  }

  wait(): void {
    const ms = this.random.below(400)
    this.nowMs += ms
    this.world.clock.advance(ms)
  }

  pending(): number {
    return CHAIN.reduce((sum, name) => sum + this.world.imports.pendingResponses(name), 0)
  }
}

describe('service imports, beside a plain model', () => {
  it(`answer each request once, or not at all, seed=${SEED}`, () => {
    const random = new SeededRandom(SEED)
    for (let round = 0; round < ROUNDS; round++) {
      const model = new Model(random.fork())
      for (let step = 0; step < STEPS; step++) {
        const dice = random.below(10)
        if (dice < 1) model.addResponder()
        else if (dice < 2) model.removeResponder()
        else if (dice < 6) model.ask()
        else if (dice < 9) model.answer()
        else model.wait()
        const alive = model.waiting.filter(({ askedMs }) => model.nowMs - askedMs < THRESHOLD_MS)
        assert.equal(model.pending(), alive.length)
      }
      model.world.clock.advance(2 * THRESHOLD_MS)
      assert.equal(model.pending(), 0)
    }
  })
})
