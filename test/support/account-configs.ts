import type { AccountConfig, ExportConfig, ImportConfig } from '../../shared/config/index.ts'

/** An account as a configuration file without details makes it. */
export function accountConfig(
  name: string,
  parts: Partial<Omit<AccountConfig, 'name'>> = {},
): AccountConfig {
  return {
    name,
    nkey: '',
    exports: [],
    imports: [],
    mappings: [],
    default_permissions: undefined,
    limits: { max_connections: -1, max_subscriptions: -1, max_payload: -1, max_leafnodes: -1 },
    jetstream: true,
    msg_trace: undefined,
    ...parts,
  }
}

export function exported(
  kind: 'stream' | 'service',
  subject: string,
  parts: Partial<ExportConfig> = {},
): ExportConfig {
  return {
    kind,
    subject,
    accounts: undefined,
    account_token_position: 0,
    token_required: false,
    response_type: 'single',
    response_threshold: 0,
    latency: undefined,
    allow_trace: false,
    ...parts,
  }
}

export function imported(
  kind: 'stream' | 'service',
  account: string,
  subject: string,
  to = subject,
  parts: Partial<ImportConfig> = {},
): ImportConfig {
  return { kind, account, subject, to, share: false, allow_trace: false, token: '', ...parts }
}
