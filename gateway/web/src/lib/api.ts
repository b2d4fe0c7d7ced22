// The public API as the page uses it: the same calls that any client makes.
import { createClient, ConnectError, Code } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { DiffusionService } from "../gen/manifold/diffusion/v1/diffusion_pb";
import { LmService } from "../gen/manifold/lm/v1/lm_pb";
import { ModelService, type Model } from "../gen/manifold/model/v1/model_pb";
import { TabularService } from "../gen/manifold/tabular/v1/tabular_pb";
import { VaeService } from "../gen/manifold/vae/v1/vae_pb";

const transport = createConnectTransport({ baseUrl: window.location.origin, useBinaryFormat: true });

export const diffusion = createClient(DiffusionService, transport);
export const lm = createClient(LmService, transport);
export const tabular = createClient(TabularService, transport);
export const vae = createClient(VaeService, transport);
const models = createClient(ModelService, transport);

/** listModels returns all models of a family. */
export async function listModels(family: string): Promise<Model[]> {
  const all: Model[] = [];
  let pageToken = "";
  do {
    const page = await models.listModels({ pageSize: 1000, pageToken });
    all.push(...page.models.filter((m) => m.family === family));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return all;
}

/** explain says in words what went wrong and what to do; empty when the user cancelled. */
export function explain(err: unknown): string {
  const e = ConnectError.from(err);
  switch (e.code) {
    case Code.Canceled:
      return "";
    case Code.Unavailable:
      return `No server answers just now (${e.rawMessage}). It will be tried again when you press Generate.`;
    case Code.ResourceExhausted:
      return `The server is busy: ${e.rawMessage}. Try again in a moment.`;
    case Code.DeadlineExceeded:
      return "That took longer than allowed. Fewer steps or fewer pictures will fit.";
    case Code.Unknown:
      return `The connection broke (${e.rawMessage}). Is the server still running?`;
    default:
      return e.rawMessage.charAt(0).toUpperCase() + e.rawMessage.slice(1);
  }
}
