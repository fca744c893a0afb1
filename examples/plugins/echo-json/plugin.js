// Answers what it was asked, as JSON.

import { definePlugin } from "@plugwork/guest";

class EchoJson {
  static summary = "Answers what it was asked, as JSON.";

  handle(request, context) {
    const { method, path, query } = request;
    const body = request.body.length > 0 ? request.json() : null;
    const asked = { method, path, query, language: request.header("accept-language"), body };
    return { json: { asked, by: context.principal?.name ?? null, from: context.clientAddress, id: context.requestId } };
  }
}

export default definePlugin({ httpFunction: EchoJson });
