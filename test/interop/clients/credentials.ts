/** What clients show and servers believe: nkeys, JWTs with their chain, certificates from an authority of our own. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import * as path from 'node:path'
import { promisify } from 'node:util'
import { encodeAccount, encodeOperator, encodeUser, fmtCreds } from '@nats-io/jwt'
import { createAccount, createOperator, createUser } from '@nats-io/nkeys'

const exec = promisify(execFile)

/** The public key of a new user, whose seed is in `seedFile`. */
export function nkeyUser(directory: string, name: string): { publicKey: string; seedFile: string } {
  const user = createUser()
  const seedFile = path.join(directory, `${name}.nk`)
  writeFileSync(seedFile, user.getSeed())
  return { publicKey: user.getPublicKey(), seedFile }
}

/** A server's side of an operator with one account, and the credentials of a user of it. */
export async function operatorMode(
  directory: string,
): Promise<{ config: string; credsFile: string; strangersCredsFile: string }> {
  const [operator, account, user] = [createOperator(), createAccount(), createUser()]
  const operatorJwt = await encodeOperator('PLANT', operator)
  // The library leaves out what is not said, and the server reads what is left out as 0.
  const limits = {
    conn: -1,
    subs: -1,
    data: -1,
    payload: -1,
    imports: -1,
    exports: -1,
    wildcards: true,
  }
  const accountJwt = await encodeAccount('LINE', account, { limits }, { signer: operator })
  const credsFile = path.join(directory, 'user.creds')
  writeFileSync(credsFile, fmtCreds(await encodeUser('joe', user, account), user))
  // Of an account that the operator never signed.
  const strangersCredsFile = path.join(directory, 'stranger.creds')
  writeFileSync(strangersCredsFile, fmtCreds(await encodeUser('eve', user, createAccount()), user))
  const config = [
    `operator: ${operatorJwt}`,
    'resolver: MEMORY',
    `resolver_preload { ${account.getPublicKey()}: ${accountJwt} }`,
  ].join('\n')
  return { config, credsFile, strangersCredsFile }
}

/** Files named `ca.pem`, `server.pem`, `client.pem` and their `-key.pem`, for 127.0.0.1 and localhost. */
export async function certificates(directory: string): Promise<(name: string) => string> {
  const file = (name: string): string => path.join(directory, name)
  const openssl = (...args: string[]) => exec('openssl', args, { cwd: directory })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc', '-days', '2']
  const authority = ['-keyout', 'ca-key.pem', '-out', 'ca.pem', '-subj', '/CN=interop authority']
  await openssl('req', '-x509', ...newKey, ...authority)
  for (const [name, usage] of [
    ['server', 'serverAuth'],
    ['client', 'clientAuth'],
  ]) {
    await openssl(
      ...['req', '-x509', ...newKey, '-CA', 'ca.pem', '-CAkey', 'ca-key.pem'],
      ...['-keyout', `${name}-key.pem`, '-out', `${name}.pem`, '-subj', `/CN=${name}`],
      ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
      ...['-addext', `extendedKeyUsage=${usage}`, '-addext', 'basicConstraints=critical,CA:FALSE'],
    )
  }
  return file
}
