"""How OpenAI's responses are translated."""

from route.dialects.conversion import AnswerReading, AnswerWriting, Asked, Conversion, Target
from route.dialects.fields import Report
from route.dialects.neutral import Document, NeutralRequest
from route.dialects.responses.answer_reading import ResponsesReading
from route.dialects.responses.answer_writing import ResponsesWriting
from route.dialects.responses.reading import read_request
from route.dialects.responses.writing import write_request


class ResponsesConversion(Conversion):
    def read_request(self, body: Document) -> NeutralRequest:
        return read_request(body)

    def write_request(self, request: NeutralRequest, target: Target, report: Report) -> Document:
        return write_request(request, target, report)

    def answer_reading(self, report: Report) -> AnswerReading:
        return ResponsesReading(report)

    def answer_writing(self, asked: Asked, report: Report) -> AnswerWriting:
        return ResponsesWriting(asked, report)
