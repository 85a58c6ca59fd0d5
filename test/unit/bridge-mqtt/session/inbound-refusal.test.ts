import assert from 'node:assert/strict'
import { reasonOf } from '../../../../bridge-mqtt/session/inbound-refusal.ts'
import { PetioleError } from '../../../../shared/runtime/index.ts'
import { StreamFullError } from '../../../../shared/store/index.ts'
import { JetStreamError } from '../../../../shared/stream/index.ts'

const QUOTA = 0x97
const OTHER = 0x83

describe('the reason why a publish is not stored', () => {
  const streamOf = (cause: PetioleError): JetStreamError => new JetStreamError(10077, '', { cause })
  for (const [what, error, reason] of [
    ['a full disk', new PetioleError('PETIOLE_STORE_FULL', ''), QUOTA],
    ['a broken disk', new PetioleError('PETIOLE_STORE_FAILED', ''), OTHER],
    ['a stream on a broken disk', streamOf(new PetioleError('PETIOLE_STORE_FAILED', '')), OTHER],
    ['a stream on a full disk', streamOf(new PetioleError('PETIOLE_STORE_FULL', '')), QUOTA],
    ['a full stream', streamOf(new StreamFullError('S', 'messages', '1')), QUOTA],
    ['a full subject', new JetStreamError(10077), QUOTA],
    ['the limit of an account', new JetStreamError(10002), QUOTA],
    ['max_msg_size of a stream', new JetStreamError(10054), QUOTA],
    ['a sealed stream', new JetStreamError(10109), OTHER],
    ['another sequence than was expected', new JetStreamError(10071, '3'), OTHER],
    ['a subject that is none', new PetioleError('PETIOLE_SUBJECT_INVALID', ''), 0x90],
  ] as const) {
    it(`is ${reason.toString(16)} for ${what}`, () => assert.equal(reasonOf(error), reason))
  }
})
