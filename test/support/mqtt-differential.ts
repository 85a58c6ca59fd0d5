import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { eventually } from './link-node.ts'
import { ScriptStage } from './mqtt-script-stage.ts'
import { type Drawing, drawScript, type Step } from './mqtt-scripts.ts'

/** Ports of two brokers that are to do the same. */
export interface Comparison extends Drawing {
  readonly ours: number
  readonly theirs: number
  readonly seed: number
  readonly scripts: number
}

/** mosquitto 2.0 forgets the first byte of a packet, and sends what is larger by one [MQTT-3.1.2-24]. */
const UNCOUNTED_BY_MOSQUITTO = 1
/** Of a session without filters aedes does not say that it is there. */
const PRESENT = / present \w+$/

/**
 * Leads two brokers through the same scripts, step by step: each step has the same answers at both, and after it
 * every client has the same messages. Returns how many messages there were.
 */
export async function compareBrokers(comparison: Comparison): Promise<number> {
  const { version, seed, scripts } = comparison
  const random = new SeededRandom(seed)
  let messages = 0
  for (let i = 0; i < scripts; i++) {
    messages += await compareScript(
      comparison,
      `v${version}-${seed}-${i}`,
      drawScript(random, comparison),
    )
  }
  return messages
}

async function compareScript(
  { ours, theirs, version, isForAedes }: Comparison,
  name: string,
  script: readonly Step[],
): Promise<number> {
  const stages = await Promise.all(
    [ours, theirs].map((port) =>
      ScriptStage.open(port, version, name, port === theirs ? UNCOUNTED_BY_MOSQUITTO : 0),
    ),
  )
  const told = (answer = '') => (isForAedes ? answer.replace(PRESENT, '') : answer)
  const [our, their] = stages
  assert.ok(our !== undefined && their !== undefined)
  for (const [i, step] of script.entries()) {
    const where = () =>
      `${name}, step ${i} of\n${script
        .slice(0, i + 1)
        .map((done) => JSON.stringify(done))
        .join('\n')}\n`
    const wills = stages.map((stage) => ('client' in step ? stage.willsOf(step.client) : 0))
    const [here, there] = await Promise.all(stages.map((stage) => stage.perform(step)))
    assert.equal(told(here), told(there), where())
    if (leavesWill(step)) {
      const isThere = () => stages.every((stage, k) => stage.willsOf(step.client) > (wills[k] ?? 0))
      await eventually(isThere, 'the wills').catch(() => {
        const seen = stages.map((stage, k) => stage.willsOf(step.client) - (wills[k] ?? 0))
        assert.fail(`wills here and there: ${seen}; ${where()}`)
      })
    }
    await Promise.all(stages.map((stage) => stage.settle()))
    const isSame = () => isDeepStrictEqual(our.seen(), their.seen())
    await eventually(isSame, 'the same').catch(() => {
      assert.deepEqual(our.seen(), their.seen(), where())
    })
  }
  const { messageCount } = our
  await Promise.all(stages.map((stage) => stage.close()))
  return messageCount
}

/** Everybody has a will, so that whoever is gone is seen to be when the broker knows. */
function leavesWill(
  step: Step,
): step is Extract<Step, { readonly do: 'connect' | 'drop' | 'disconnect' }> {
  if (step.do === 'disconnect') return step.leaves.isWillPublished
  return (step.do === 'connect' || step.do === 'drop') && step.isWillPublished
}
