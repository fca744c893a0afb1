//! Greets over HTTP, by the name that the host's route has found in the path.

use plugwork_guest::Result;
use plugwork_guest::http::{Context, HttpFunction, Request, Response};

/// The function.
struct Hello;

impl HttpFunction for Hello {
    fn handle(request: Request, context: Context) -> Result<Response> {
        if request.method != "GET" {
            return Ok(Response::text("only GET is answered here\n").status(405).header("allow", "GET"));
        }
        let name = context.route_parameter("name").unwrap_or("world");
        Ok(Response::text(format!("hello, {name}\n")))
    }
}

plugwork_guest::plugin! { descriptor: include_str!("../descriptor.json"), http_function: Hello }

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &str, parameters: Vec<(String, String)>) -> Response {
        let request = Request { method: method.to_owned(), path: "/".to_owned(), query: None, headers: Vec::new(), body: Vec::new() };
        let context = Context {
            scheme: "http".to_owned(),
            authority: "localhost".to_owned(),
            client_address: String::new(),
            principal: None,
            request_id: "test".to_owned(),
            route_parameters: parameters,
        };
        Hello::handle(request, context).unwrap()
    }

    #[test]
    fn only_get_is_answered() {
        assert_eq!(ask("POST", Vec::new()).status, 405);
    }

    #[test]
    fn greets_whom_the_route_names() {
        assert_eq!(ask("GET", Vec::new()).body, b"hello, world\n");
        assert_eq!(ask("GET", vec![("name".to_owned(), "Ada".to_owned())]).body, b"hello, Ada\n");
    }
}
