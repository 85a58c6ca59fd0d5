import assert from 'node:assert/strict'
import type { Subscription } from '../../shared/broker/index.ts'
import type { ImportConfig } from '../../shared/config/index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { isValidSubject, subsetOf } from '../../shared/subject/index.ts'
import { accountConfig, exported, imported } from '../support/account-configs.ts'
import { ImportWorld } from '../support/import-world.ts'
import { RecordingPeer } from '../support/recording-peer.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
const ROUNDS = 60
const STEPS = 120
const TOKENS = ['a', 'b', 'c']
const ACCOUNTS = ['A', 'B', 'C']

/** Imports as pairs of patterns, each `*` on one side the same token on the other. */
const FORMS: readonly (readonly [from: string, to: string, order: readonly number[]])[] = [
  ['a.*', 'a.*', [0]],
  ['a.*.*', 'x.*.*', [1, 0]],
  ['*.b.*', 'b.*.c.*', [0, 1]],
  ['a.b', 'c', []],
  ['a.>', 'p.a.>', []],
  ['*.c.>', 'c.*.>', [0]],
  ['>', '>', []],
]

interface Sub {
  readonly account: string
  readonly peer: RecordingPeer
  readonly subscription: Subscription
}

/** What a subject is called in the importing account, straight from the form. */
function renamed(subject: string, form: (typeof FORMS)[number]): string | undefined {
  const [from, to, order] = form
  if (!subsetOf(subject, from)) return undefined
  const tokens = subject.split('.')
  const source = from.split('.')
  const values = source.flatMap((token, i) => (token === '*' ? [tokens[i] ?? ''] : []))
  let next = 0
  const out: string[] = []
  for (const token of to.split('.')) {
    if (token === '*') out.push(values[order[next++] ?? 0] ?? '')
    else if (token === '>') out.push(...tokens.slice(source.length - 1))
    else out.push(token)
  }
  return out.join('.')
}

function written([, to, order]: (typeof FORMS)[number]): string {
  let next = 0
  return to
    .split('.')
    .map((token) => (token === '*' ? `$${(order[next++] ?? 0) + 1}` : token))
    .join('.')
}

class Model {
  readonly random: SeededRandom
  readonly world: ImportWorld
  readonly imports: { account: string; from: string; form: (typeof FORMS)[number] }[] = []
  readonly subs: Sub[] = []

  constructor(random: SeededRandom) {
    this.random = random
    this.world = new ImportWorld(this.configs(), { seed: random.below(2 ** 31) })
  }

  pick<T>(list: readonly T[]): T {
    return list[this.random.below(list.length)]!
  }

  subject(isLiteral: boolean): string {
    const length = 1 + this.random.below(4)
    const tokens = Array.from({ length }, () => {
      if (!isLiteral && this.random.below(3) === 0) return this.pick(['*', '>'])
      return this.pick([...TOKENS, 'x', 'p'])
    })
    const subject = tokens.join('.')
    return isValidSubject(subject) ? subject : this.subject(isLiteral)
  }

  configs() {
    return ACCOUNTS.map((name) =>
      accountConfig(name, {
        exports: [exported('stream', '>'), exported('service', '>')],
        imports: this.imports
          .filter(({ account }) => account === name)
          .map(({ from, form }): ImportConfig => {
            const to = form[0] === form[1] ? form[1] : written(form)
            return imported('stream', from, form[0], to)
          }),
      }),
    )
  }

  /** Accounts import downwards only, so that no import is refused for a circle. */
  changeImports(): void {
    const known = this.imports.length > 0 && this.random.below(2) === 0
    if (known) this.imports.splice(this.random.below(this.imports.length), 1)
    else {
      const at = 1 + this.random.below(ACCOUNTS.length - 1)
      const account = ACCOUNTS[at]!
      const from = ACCOUNTS[this.random.below(at)]!
      const form = this.pick(FORMS)
      const isThere = this.imports.some(
        (it) => it.account === account && it.from === from && it.form[0] === form[0],
      )
      if (!isThere) this.imports.push({ account, from, form })
    }
    this.world.book.update(this.configs(), '', 0)
  }

  subscribe(): void {
    const account = this.pick(ACCOUNTS)
    const peer = new RecordingPeer(this.pick(['mqtt', 'local'] as const))
    const subject = this.subject(this.random.below(2) === 0)
    const subscription = this.world.space(account).subscribe(peer, { subject })
    this.subs.push({ account, peer, subscription })
  }

  unsubscribe(): void {
    if (this.subs.length === 0) return
    const [gone] = this.subs.splice(this.random.below(this.subs.length), 1)
    this.world.space(gone!.account).unsubscribe(gone!.subscription)
  }

  publish(): void {
    const account = this.pick(ACCOUNTS)
    const subject = this.subject(true)
    const expected = this.subs.map((sub) => {
      const { subject: filter } = sub.subscription
      const heard: string[] = []
      if (sub.account === account && subsetOf(subject, filter)) heard.push(subject)
      for (const { account: importer, from, form } of this.imports) {
        if (importer !== sub.account || from !== account) continue
        const here = renamed(subject, form)
        if (here !== undefined && subsetOf(here, filter)) heard.push(here)
      }
      return heard.toSorted()
    })
    const taken = this.world.publish(account, new RecordingPeer('local'), subject)
    const got = this.subs.map(({ peer }) => peer.got.map((it) => it.subject).toSorted())
    assert.deepEqual(got, expected, `${account} ${subject}`)
    assert.equal(taken, expected.flat().length)
    for (const { peer } of this.subs) peer.got.length = 0
  }
}

describe('stream imports, beside a plain model', () => {
  it(`deliver what it says after any changes, seed=${SEED}`, () => {
    const random = new SeededRandom(SEED)
    for (let round = 0; round < ROUNDS; round++) {
      const model = new Model(random.fork())
      for (let step = 0; step < STEPS; step++) {
        const dice = random.below(10)
        if (dice < 1) model.changeImports()
        else if (dice < 4) model.subscribe()
        else if (dice < 6) model.unsubscribe()
        else model.publish()
      }
      model.imports.length = 0
      model.world.book.update(model.configs(), '', 0)
      const left = ACCOUNTS.flatMap((account) => model.world.subjects(account))
      assert.equal(left.length, model.subs.length, 'shadows stay behind')
    }
  })
})
