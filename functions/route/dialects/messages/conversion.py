"""Anthropic's messages to and from the neutral form."""

from route.dialects.base import Document
from route.dialects.conversion import AnswerReading, AnswerWriting, Asked, Conversion, Target
from route.dialects.fields import Report
from route.dialects.messages.answer_reading import MessagesReading
from route.dialects.messages.answer_writing import MessagesWriting
from route.dialects.messages.reading import read_request
from route.dialects.messages.writing import write_request
from route.dialects.neutral import NeutralRequest


class MessagesConversion(Conversion):
    def read_request(self, body: Document) -> NeutralRequest:
        return read_request(body)

    def write_request(self, request: NeutralRequest, target: Target, report: Report) -> Document:
        return write_request(request, target, report)

    def answer_reading(self, report: Report) -> AnswerReading:
        return MessagesReading(report)

    def answer_writing(self, asked: Asked, report: Report) -> AnswerWriting:
        return MessagesWriting(asked, report)
